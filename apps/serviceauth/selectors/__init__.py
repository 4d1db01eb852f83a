"""What others may ask about companies, accounts and keys."""

from apps.serviceauth.selectors.companies import company_names, every_company_name

__all__ = ["company_names", "every_company_name"]
