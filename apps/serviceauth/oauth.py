"""How OAuth 2.0 is spoken: forms in, client credentials, errors out (RFC 6749, 2.3.1, 3.2 and 5.2). Pure.

What a form does not know is ignored, as RFC 6749 (3.2) has it, and a parameter without a value counts as absent;
everything that can be read in two ways is refused.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from apps.core.errors import (
    HubError,
    InsufficientScope,
    NotAllowed,
    NotAuthenticated,
    TooManyRequests,
    Unavailable,
)

__all__ = [
    "CLIENT_CREDENTIALS",
    "TOKEN_EXCHANGE",
    "Credentials",
    "OAuthFault",
    "basic_credentials",
    "company_number",
    "credentials_of",
    "description_of",
    "error_of",
    "read_form",
    "the_only",
]

CLIENT_CREDENTIALS = "client_credentials"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  the name of a grant

MOST_FIELDS = 50
MAY_REPEAT = frozenset({"resource", "audience"})
"""RFC 8707 (2) and RFC 8693 (2.1) let these be repeated; whoever may not name several says ``invalid_target``."""
_BEYOND_ASCII = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMPANY = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_MOST_COMPANY = 2**63 - 1

Form = Mapping[str, str]


class OAuthFault(HubError):
    """Raised when a request is refused with an error code of OAuth's own."""

    status = 400
    title = "Bad Request"

    def __init__(self, error: str, detail: str) -> None:
        self.error = error
        super().__init__(detail, code=error)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says of itself; ``secret`` is never shown."""

    name: str
    secret: str = field(repr=False)


def read_form(body: bytes) -> dict[str, str]:
    """Return the parameters of an ``application/x-www-form-urlencoded`` body; those without a value are left out.

    Raises:
        OAuthFault: ``invalid_request``: it is no form, a parameter stands there twice, or holds control characters;
            ``invalid_target``: there is more than one target.
    """
    try:
        # The percent signs of a form stand for bytes of UTF-8; everything else in it is ASCII.
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise OAuthFault("invalid_request", f"The body is no form in UTF-8 of at most {MOST_FIELDS} fields.") from None
    form: dict[str, str] = {}
    for name, value in fields:
        if name in form:
            error = "invalid_target" if name in MAY_REPEAT else "invalid_request"
            raise OAuthFault(error, f"The parameter {name[:40]} stands there more than once.")
        if _CONTROL.search(value):
            raise OAuthFault("invalid_request", f"The parameter {name[:40]} holds control characters.")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def credentials_of(authorization: str | None, form: Form) -> Credentials | None:
    """Return the client's name and secret, from the header or from the form; None when it says neither.

    Raises:
        OAuthFault: ``invalid_request``: both ways are used, or the two names differ.
        NotAuthenticated: the header is not HTTP Basic, or cannot be read.
    """
    if authorization is None:
        if "client_secret" not in form:
            return None
        return Credentials(form.get("client_id", ""), form["client_secret"])
    found = basic_credentials(authorization)
    if "client_secret" in form:
        raise OAuthFault("invalid_request", "The client authenticates in two ways at once; use one.")
    if form.get("client_id", found.name) != found.name:
        raise OAuthFault("invalid_request", "client_id is not the client that authenticates.")
    return found


def basic_credentials(authorization: str) -> Credentials:
    """Return what HTTP Basic says, both parts form-decoded as RFC 6749 (2.3.1) has them encoded.

    Raises:
        NotAuthenticated: it is another scheme, or cannot be read.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise NotAuthenticated("The client authenticates with HTTP Basic, or with client_id and client_secret.")
    try:
        text = b64decode(encoded.strip(), validate=True).decode("utf-8")
        name, colon, secret = text.partition(":")
        decoded = [unquote_plus(part, errors="strict") for part in (name, secret)]
    except (binascii.Error, ValueError):
        raise NotAuthenticated("The Authorization header cannot be read.") from None
    if not colon or any(_CONTROL.search(part) for part in decoded):
        raise NotAuthenticated("The Authorization header cannot be read.")
    return Credentials(*decoded)


def company_number(form: Form) -> int | None:
    """Return ``company_id``, an extension of this hub; None when it is not there.

    Raises:
        OAuthFault: ``invalid_request``: it is no company's number.
    """
    text = form.get("company_id")
    if text is None:
        return None
    if not _COMPANY.fullmatch(text) or int(text) > _MOST_COMPANY:
        raise OAuthFault("invalid_request", "company_id is a whole number from 1.")
    return int(text)


def the_only(form: Form, *names: str) -> str | None:
    """Return the value of whichever of ``names`` is there.

    Raises:
        OAuthFault: ``invalid_target``: several are, with different values.
    """
    values = {form[name] for name in names if name in form}
    if len(values) > 1:
        raise OAuthFault("invalid_target", f"Of {' and '.join(names)} send one: a token is for one target.")
    return next(iter(values), None)


def error_of(error: HubError) -> tuple[int, str]:
    """Return the status and the error code of OAuth that say ``error``.

    What the hub answers with 422 or 403 elsewhere is a 400 here, with a code; 429 and 503 are the
    ``temporarily_unavailable`` of RFC 6749 (4.1.2.1).
    """
    match error:
        case OAuthFault():
            return 400, error.error
        case InsufficientScope():
            return 403, "insufficient_scope"
        case NotAuthenticated():
            return 401, "invalid_token" if error.code == "invalid_token" else "invalid_client"
        case NotAllowed():
            # A company that is not the account's, or none where one has to be named: no token is issued for it.
            return 400, "unauthorized_client" if error.code == "may_not_act" else "invalid_target"
        case TooManyRequests() | Unavailable():
            return error.status, "temporarily_unavailable"
    if error.status >= 500:
        return error.status, "server_error"
    if error.status == 422:
        codes = {fault.code for fault in error.errors} & {"invalid_scope", "invalid_target"}
        return 400, min(codes, default="invalid_request")
    return error.status, "invalid_request"


def description_of(error: HubError) -> str:
    """Return what is wrong, in the characters that RFC 6749 (5.2) allows."""
    words = " ".join(fault.message for fault in error.errors[:3]) or error.detail or error.title
    return _BEYOND_ASCII.sub("'", words)[:500]
