"""What happens when a company is created or changed, and when a person is gone."""

from django.utils import timezone

from apps.core.tenancy import system, use
from apps.serviceauth import services
from xerpium_sdk.wire.envelope import Envelope, EventType

__all__ = ["HANDLERS"]


def learn_company(event: Envelope) -> None:
    """Store the company's name.

    An event without a name, such as the change of something else, tells nothing. Idempotent by the event's time. An
    event of another company may tell of a new one, as who founds it would, and renames none.

    Raises:
        ValueError: it does not say which company, or its name is no text.
    """
    name = event.data.get("name")
    if name is None:
        return
    company_id = event.company_id if event.entity_id is None else event.entity_id
    if not isinstance(company_id, int) or not isinstance(name, str) or not name.strip():
        raise ValueError(f"{event.event_type} needs the company's number and its name.")
    is_anothers = event.company_id not in (None, company_id)
    services.company_learn(company_id=company_id, name=name.strip(), at=event.occurred_at, only_new=is_anothers)


def forget_user(event: Envelope) -> None:
    """Take the rights of a person who was deleted: roles, tokens, the way into the console. Doing it again is harmless.

    The person is the event's entity; its ``user_id`` is who deleted them. An event of a company is about that company.

    Raises:
        ValueError: it does not say who was deleted.
    """
    who = event.entity_id
    if who is None or isinstance(who, str):
        raise ValueError(f"{event.event_type} needs the person's number as its entity_id.")
    said_by = f"service:{event.service_name}"
    with use(system(f"event {event.event_type} of {event.service_name}")):
        services.user_forget(
            user_id=who,
            company_id=event.company_id if isinstance(event.company_id, int) else None,
            reason=f"{said_by} said that the person was deleted",
            actor=said_by,
            now=timezone.now(),
        )


HANDLERS = {
    EventType.COMPANY_CREATED: learn_company,
    EventType.COMPANY_UPDATED: learn_company,
    EventType.USER_DELETED: forget_user,
}
