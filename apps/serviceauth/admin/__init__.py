"""The operator's pages about who may call: one module for each kind of thing."""

from apps.serviceauth.admin import companies

__all__ = ["companies"]
