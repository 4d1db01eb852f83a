"""What the hub answers when somebody's credentials are no good. One answer for all causes: it must teach nobody."""

from apps.core.errors import NotAuthenticated

__all__ = ["BadCredentials"]


class BadCredentials(NotAuthenticated):
    """Raised when a name and a secret do not belong together, or are no longer good.

    ``reason`` is for the log and for operators; the answer never says it.
    """

    code = "bad_credentials"
    detail = "The name or the secret is wrong, or the secret is no longer good."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
