"""Which companies an operator belongs to: this package asks, and the app that stores it answers (`tell`)."""

from collections.abc import Callable

from apps.core.tenancy.context import Companies

__all__ = ["CompaniesOf", "companies_of", "tell"]

CompaniesOf = Callable[[int], Companies]
"""Takes the key of Django's user and returns the companies whose rows that operator sees; ``"*"`` is all of them."""

_told: CompaniesOf | None = None


def tell(answer: CompaniesOf) -> None:
    """Let ``answer`` say which companies operators belong to; called once, when the hub starts."""
    global _told
    _told = answer


def companies_of(user_id: int) -> Companies:
    """Return the companies whose rows an operator sees, besides everybody's.

    Raises:
        RuntimeError: nobody said who knows: an operator must not see everything because an app is missing.
    """
    if _told is None:
        raise RuntimeError(
            "Nobody knows the companies of operators: `apps.core.tenancy.operators.tell` was not called."
        )
    return _told(user_id)
