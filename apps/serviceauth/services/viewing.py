"""Tokens with which the hub asks services for what somebody looks at: with the viewer's rights, and never more.

Such a token is good for a minute and for the one service that is asked; the hub itself does not take it. It carries no
scope, so nothing of the hub's can be done with it. It names the person only where the answer may be about that person:
other answers are kept for everybody with the same rights, so they must not be able to depend on who asked first.
"""

import datetime as dt
import math
import secrets
from collections.abc import Sequence

from django.conf import settings

from apps.core.access import Principal
from apps.core.errors import FieldError
from apps.serviceauth.matching import is_service_name
from apps.serviceauth.services.issuing import Issued, TargetRefused, sign
from apps.serviceauth.tokens import AUDIENCE, USER_PREFIX, Claims

__all__ = ["PREVIEW", "SECONDS", "VIEWER", "viewer_token_issue"]

SECONDS = 60
"""How long such a token is good; it is used at once."""
VIEWER = "hub:viewer"
"""Client and subject of tokens that name nobody; no service can be called so."""
PREVIEW = "hub:preview"
"""The same, of operators who look with rights that need not be anybody's: services see that it is a preview."""


def viewer_token_issue(
    *,
    viewer: Principal,
    service_name: str,
    company_id: int | None,
    permissions: Sequence[str],
    user_id: int | None,
    is_personal: bool,
    now: dt.datetime,
) -> Issued:
    """Return a token that is good at one service, for what a viewer may see.

    Args:
        viewer: who asks the hub.
        service_name: the service that will be asked.
        company_id: the company in which the viewer looks; None: what is everybody's alone.
        permissions: what the viewer may see there.
        user_id: the person who looks; None where it is nobody in particular.
        is_personal: whether the token says who looks.
        now: the present.

    Raises:
        TargetRefused: the service's name would make it a token for all services.
        InvalidInput: the viewer has more permissions than a token holds.
    """
    if service_name == AUDIENCE or not is_service_name(service_name):
        fault = FieldError("", "invalid_target", f"No token can be made for {service_name[:100]!r} alone.")
        raise TargetRefused(errors=[fault])
    client = PREVIEW if viewer.kind in ("operator", "open") else VIEWER
    person = user_id if is_personal and client == VIEWER else None
    begins = int(now.timestamp())
    claims = Claims(
        issuer=settings.HUB_PUBLIC_URL,
        audience=(service_name,),
        subject=_subject(viewer, client, person, is_personal=is_personal),
        client_id=client,
        issued_at=begins,
        not_before=begins,
        expires_at=min(begins + SECONDS, math.ceil(viewer.expires_at or begins + SECONDS)),
        token_id=secrets.token_urlsafe(16),
        scopes=(),
        companies=() if company_id is None else (company_id,),
        account=client,
        service_name=None,
        company_id=company_id,
        user_id=person,
        permissions=tuple(sorted(permissions)),
        actors=viewer.actors if person is not None else (),
        rests_on=_behind(viewer) if is_personal else (),
    )
    return sign(claims, now)


def _subject(viewer: Principal, client: str, person: int | None, *, is_personal: bool) -> str:
    """Return who looks: the person; of others, what they are and their name; nobody where the token names nobody."""
    if not is_personal:
        return client
    return f"{USER_PREFIX}{person}" if person is not None else f"{viewer.kind}:{viewer.name}"


def _behind(viewer: Principal) -> tuple[str, ...]:
    """Return with what the token falls: the viewer's own token, and its key."""
    found = (("token", viewer.token_id), ("key", viewer.key_id))
    return tuple(f"{kind}:{subject}" for kind, subject in found if subject)
