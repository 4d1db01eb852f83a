"""What the service of a widget or a badge says, asked on behalf of whoever looks."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from apps.core.access import Principal
from apps.serviceauth.services import viewer_token_issue
from apps.uiregistry.asking import Question
from apps.uiregistry.models import Widget
from apps.uiregistry.selectors.viewers import Viewer
from apps.uiregistry.services.fetching import Data, data_fetch

__all__ = ["Source", "data_for", "source_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where data comes from: of what it is, who knows it, where, for how long it holds, whether it is about persons."""

    kind: str
    item_id: int
    service_name: str
    endpoint: str
    interval: int
    is_personal: bool


def source_of(row: Widget) -> Source:
    """Return where the data of a widget comes from."""
    is_personal = row.config.get("personal") is True
    return Source("widget", row.pk, row.service_name, row.api_endpoint, row.refresh_interval, is_personal)


def data_for(caller: Principal, viewer: Viewer, source: Source, *, refresh: bool, now: dt.datetime) -> Data:
    """Return what ``source`` says to ``viewer``, for whom ``caller`` asks; whether the viewer may see it is not asked.

    Raises:
        NotAllowed, Unavailable: as `data_fetch`.
    """
    question = Question(
        source.kind,
        source.item_id,
        source.service_name,
        source.endpoint,
        viewer.company_id,
        viewer.grants,
        _authority(caller, viewer, is_personal=source.is_personal),
    )
    token = _token(caller, viewer, source, now)
    return data_fetch(question, interval=source.interval, refresh=refresh, token=token, now=now)


def _authority(caller: Principal, viewer: Viewer, *, is_personal: bool) -> str:
    """Return in whose name a service is asked: callers for whom it may answer differently have different ones."""
    if caller.kind == "open":
        return "nobody"
    kind = "preview" if caller.kind == "operator" else "viewer"
    return f"{kind} {caller.scope} {viewer.user_id}" if is_personal else kind


def _token(caller: Principal, viewer: Viewer, source: Source, now: dt.datetime) -> Callable[[], str | None]:
    """Return what makes the token that goes along; callers of an open hub have nothing to show."""

    def made() -> str | None:
        if caller.kind == "open":
            return None
        issued = viewer_token_issue(
            viewer=caller,
            service_name=source.service_name,
            company_id=viewer.company_id,
            permissions=viewer.grants,
            user_id=viewer.user_id,
            is_personal=source.is_personal,
            now=now,
        )
        return issued.access_token

    return made
