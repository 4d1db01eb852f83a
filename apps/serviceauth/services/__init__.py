"""Every write of service authentication that others may ask for."""

from apps.serviceauth.services.authenticating import Authenticated, authenticate_key
from apps.serviceauth.services.companies import company_learn

__all__ = ["Authenticated", "authenticate_key", "company_learn"]
