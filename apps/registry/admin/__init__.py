"""The registry in the operator's admin: lists, pages and operations. Nothing is edited by hand."""

from apps.registry.admin import history, instances, services

__all__ = ["history", "instances", "services"]
