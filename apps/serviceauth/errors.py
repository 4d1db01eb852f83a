"""What the hub answers when somebody's credentials are no good. One answer for all causes: it must teach nobody."""

from apps.core.errors import FieldError, InvalidInput, NotAllowed, NotAuthenticated

__all__ = ["ActingRefused", "BadCredentials", "SubjectRefused"]


class BadCredentials(NotAuthenticated):
    """Raised when a name and a secret do not belong together, or are no longer good.

    ``reason`` is for the log and for operators; the answer never says it.
    """

    code = "bad_credentials"
    detail = "The name or the secret is wrong, or the secret is no longer good."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class ActingRefused(NotAllowed):
    """Raised when a service wants to act for a person and its account may not."""

    code = "may_not_act"
    detail = "This account may not act for people."


class SubjectRefused(InvalidInput):
    """Raised when the token of a person is no good for an exchange; ``reason`` is for the log.

    The answer says more than that of a bad credential: who asks has proved who it is.
    """

    code = "invalid_subject_token"

    def __init__(self, reason: str, message: str = "") -> None:
        self.reason = reason
        text = message or "It is not good: it has ended, was revoked, or is of nobody that this hub trusts."
        super().__init__(errors=[FieldError("/subject_token", "invalid_subject_token", f"subject_token: {text}")])
