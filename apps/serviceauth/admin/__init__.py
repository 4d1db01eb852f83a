"""The operator's pages about who may call: one module for each kind of thing."""

from apps.serviceauth.admin import accounts, companies, issuers, roles, signing

__all__ = ["accounts", "companies", "issuers", "roles", "signing"]
