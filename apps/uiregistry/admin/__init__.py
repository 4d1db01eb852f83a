"""The UI registry in the operator's admin: what services declared with previews, dashboards, manifests over time."""

from apps.uiregistry.admin import components, dashboards, manifests, widgets

__all__ = ["components", "dashboards", "manifests", "widgets"]
