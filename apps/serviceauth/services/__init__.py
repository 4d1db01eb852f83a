"""Every write of service authentication that others may ask for."""

from apps.serviceauth.services.companies import company_learn

__all__ = ["company_learn"]
