"""Every read of the registry that others may use."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db.models import Case, QuerySet, When

from apps.core.errors import NotFound
from apps.core.tenancy import in_sight
from apps.registry import links, observed
from apps.registry.catalog import Catalog, Companies, visible
from apps.registry.graph import Graph
from apps.registry.live import live
from apps.registry.models import HistoryEntry, Instance, Protection, Service
from apps.registry.troubles import ServiceState, Trouble, troubles
from xerpium_sdk.wire.registry import Status


class Found(NamedTuple):
    """What a search found: its name, what it is, and the address of its page."""

    name: str
    kind: str
    address: str


def catalogue() -> Catalog:
    """Return this process's catalogue, following the hub's changes; loaded before it is first returned.

    It holds the services of all companies: whoever asks it names those that are in sight.

    Raises:
        Unavailable: it was never loaded, and neither Redis nor PostgreSQL answers.
    """
    return live.ready()


def dependencies() -> Graph:
    """Return the dependency graph of the services in sight of the running code.

    Raises:
        NoCompanyContext: nobody said whose are wanted.
        Unavailable: as `catalogue`.
    """
    return catalogue().graph(in_sight())


def catalogue_staleness() -> float | None:
    """Return for how many seconds nobody could confirm that the catalogue is current; None while it is."""
    return live.staleness()


def protection() -> Protection:
    """Return whether protection is on, since when and why."""
    return Protection.objects.filter(id=1).first() or Protection()


def protection_is_active() -> bool:
    """Whether nothing expires and no poll takes anything down at the moment."""
    return Protection.objects.filter(id=1, since__isnull=False).exists()


def service_known(name: str, *, companies: Companies = "*") -> Service:
    """Return a service that was ever registered, as the database knows it, for the catalogue may not have it yet.

    Raises:
        NotFound: there is none, or it is another company's.
    """
    service = Service.objects.filter(name=name).only("id", "company_id").first()
    if service is None or not visible(service.company_id, companies):
        raise NotFound(f"No service is named {name!r}.")
    return service


def services_ever_registered(names: Iterable[str]) -> dict[str, int | None]:
    """Return those of ``names`` that were ever registered, as far as the running code may see, with their companies."""
    return dict(Service.objects.filter(name__in=set(names)).values_list("name", "company_id"))


def service_history(name: str, *, companies: Companies = "*") -> QuerySet[HistoryEntry]:
    """Return the history of a service, newest first.

    Raises:
        NotFound: no such service was ever registered, or another company's.
    """
    return service_known(name, companies=companies).history.order_by("-id")


def service_states(names: Iterable[str] | None = None) -> dict[str, ServiceState]:
    """Return what every registered service, or each of ``names``, is made of: instances by status, by its name."""
    return observed.service_states(names)


def current_troubles(states: Mapping[str, ServiceState], *, now: dt.datetime) -> list[Trouble]:
    """Return what is wrong now with the services of ``states``, worst first."""
    return troubles(states, dependencies(), now)


def recent_history(limit: int) -> list[HistoryEntry]:
    """Return the latest changes of all services, newest first, each with its service."""
    return list(HistoryEntry.objects.select_related("service").order_by("-id")[:limit])


def duties() -> Mapping[str, dt.datetime]:
    """Return when the hub last polled (``poll``) and swept (``sweep``); a duty that nobody ever did is absent."""
    return observed.duties()


def tags() -> list[str]:
    """Return every tag of a registered instance, sorted."""
    return observed.values_of("tags")


def company_ids() -> list[int]:
    """Return the companies that own a service, sorted."""
    return observed.company_ids()


def find(text: str, *, limit: int) -> list[Found]:
    """Return the services and the registered instances whose name holds ``text``, at most ``limit`` of each.

    Of the services, those come first that begin with it.
    """
    beginning = Case(When(name__istartswith=text, then=0), default=1)
    services = Service.objects.filter(name__icontains=text).order_by(beginning, "name")[:limit]
    registered = Instance.objects.exclude(status=Status.DEREGISTERED).filter(instance_id__icontains=text)
    instances = registered.select_related("service").order_by("instance_id")[:limit]
    return [
        *(Found(s.name, "Service", links.service_url(s.name)) for s in services),
        *(Found(i.instance_id, f"Instance of {i.service.name}", links.instance_url(i.pk)) for i in instances),
    ]
