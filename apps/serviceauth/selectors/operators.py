"""What the hub knows of those who sign in."""

from apps.core.tenancy import Companies
from apps.serviceauth.models import Operator

__all__ = ["operator_companies"]


def operator_companies(user_id: int) -> Companies:
    """Return the companies whose rows an operator sees, besides everybody's; all of them where none were named."""
    named = Operator.objects.filter(user_id=user_id).values_list("companies", flat=True).first()
    return "*" if named is None else frozenset(named)
