"""What happens when a company is created or changed."""

from apps.serviceauth import services
from xerpium_sdk.wire.envelope import Envelope, EventType

__all__ = ["HANDLERS"]


def learn_company(event: Envelope) -> None:
    """Store the company's name.

    An event without a name, such as the change of something else, tells nothing. Idempotent by the event's time.

    Raises:
        ValueError: it does not say which company, or its name is no text.
    """
    name = event.data.get("name")
    if name is None:
        return
    company_id = event.company_id if event.entity_id is None else event.entity_id
    if not isinstance(company_id, int) or not isinstance(name, str) or not name.strip():
        raise ValueError(f"{event.event_type} needs the company's number and its name.")
    services.company_learn(company_id=company_id, name=name.strip(), at=event.occurred_at)


HANDLERS = {EventType.COMPANY_CREATED: learn_company, EventType.COMPANY_UPDATED: learn_company}
