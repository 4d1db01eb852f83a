"""What others may ask about companies, accounts and keys, and about what people may do."""

from apps.serviceauth.selectors.companies import company_names, every_company_name
from apps.serviceauth.selectors.roles import permissions_of

__all__ = ["company_names", "every_company_name", "permissions_of"]
