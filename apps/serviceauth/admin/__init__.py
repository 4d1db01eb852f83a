"""The operator's pages about who may call: one module for each kind of thing."""

from apps.serviceauth.admin import companies, roles

__all__ = ["companies", "roles"]
