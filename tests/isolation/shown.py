"""What the companies of the world have to show: menus, pages, widgets, dashboards, manifests, each with its canary."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.menus.models import Conflict, Handover, MenuItem, MenuRevision, Overlay
from apps.uiregistry.models import Component, Dashboard, Layout, Manifest, ManifestRevision, Widget
from tests.isolation.names import canary, word

__all__ = ["NOTHING_SHOWN", "Shown", "build_shown"]


@dataclass(frozen=True)
class Shown:
    """The numbers of a company's things."""

    item: int
    component: int
    widget: int
    dashboard: int
    conflict: int
    handover: int
    slug: str

    @property
    def addresses(self) -> Mapping[str, Mapping[str, object]]:
        """The parameters of a route that lead to these things, by the beginning of the route."""
        return {
            "menu-items/": {"id": self.item},
            "menus/": {"id": self.item},
            "menus/overlays/": {"scope": "global", "scope_id": "0", "item_id": self.item},
            "menus/conflicts/": {"id": self.conflict},
            "menus/handovers/": {"id": self.handover},
            "components/": {"id": self.component},
            "widgets/": {"id": self.widget},
            "dashboards/": {"id": self.dashboard, "scope": "global", "scope_id": "0"},
            "ui/dashboards/": {"slug": self.slug},
            "ui/schemas/": {"type": "page"},
        }


NOTHING_SHOWN = Shown(*[999_999_999] * 6, slug="nothing-there")


def build_shown(company: int | None, number: int, service: str) -> Shown:
    """Store what ``service`` shows, of ``company`` (None: everybody's); return the numbers of it."""
    name, sign = word(company), canary(company)
    path = f"/{name}/menu"
    declared = {"name": sign, "path": path, "icon": "box", "description": sign}
    item = MenuItem.objects.create(
        service_name=service, company_id=company, key=path, declared_in=company, declared=declared, name=sign,
        path=path, route_key=path, icon="box", description=sign, revision=number,
    )  # fmt: skip
    MenuRevision.objects.update_or_create(company_id=company, defaults={"value": number})
    scope = ("global", 0) if company is None else ("company", company)
    overlay = {"scope": scope[0], "scope_id": scope[1], "company_id": company}
    Overlay.objects.create(
        item=item, **overlay, values={"name": f"{sign} renamed"}, base={"name": f"{sign} before"}, reason=sign,
        actor=sign,
    )  # fmt: skip
    claim = {"kind": "menu", "route_key": f"/{name}/claimed", "company_id": company}
    conflict = Conflict.objects.create(**claim, path=f"/{name}/{sign}", owner=service, claimant=f"{name}-neighbour")
    handover = Handover.objects.create(**claim, service_name=service, actor=sign)
    shown = {"service_name": service, "company_id": company, "declared_in": company, "api_endpoint": f"/api/{sign}"}
    page = {"name": sign, "component_type": "page", "route_path": path, "api_endpoint": f"/api/{sign}"}
    component = Component.objects.create(
        **shown, name=sign, declared=page, component_type="page", route_path=path, route_key=path,
        metadata={"title": sign},
    )  # fmt: skip
    metric = {"name": sign, "widget_type": "metric", "api_endpoint": f"/api/{sign}"}
    widget = Widget.objects.create(
        **shown, name=sign, declared=metric, widget_type="metric", config={"title": sign}, refresh_interval=0
    )
    dashboard = Dashboard.objects.create(slug=f"{name}-board", title=sign, company_id=company, actor=sign)
    placement = {"widget_id": widget.pk, "x": 0, "y": 0, "w": 3, "h": 2}
    Layout.objects.create(dashboard=dashboard, **overlay, placements=[placement], actor=sign)
    manifest = Manifest.objects.create(
        service_name=service, company_id=company, version="1.0.0", generation=1, number=2
    )
    body = {"schema_version": 1, "version": "1.0.0", "generation": 1, "menus": [declared], "components": [page],
            "widgets": [metric]}  # fmt: skip
    for revision in (1, 2):
        ManifestRevision.objects.create(
            manifest=manifest, number=revision, digest=str(revision), body=body, cause="put", actor=sign
        )
    return Shown(item.pk, component.pk, widget.pk, dashboard.pk, conflict.pk, handover.pk, dashboard.slug)
