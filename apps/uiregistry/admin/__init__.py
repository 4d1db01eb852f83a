"""The UI registry in the operator's admin: what services declared with previews, dashboards, manifests over time."""

from apps.uiregistry.admin import components, widgets

__all__ = ["components", "widgets"]
