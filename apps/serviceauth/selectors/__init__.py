"""What others may ask about companies, accounts and keys, what was revoked, and what people may do."""

from apps.serviceauth.selectors.accounts import access_troubles, accounts_with_keys, with_keys
from apps.serviceauth.selectors.companies import company_names, every_company_name
from apps.serviceauth.selectors.granted import KnownRole, people_with_roles, roles_known
from apps.serviceauth.selectors.operators import operator_companies
from apps.serviceauth.selectors.revocations import REVOCATIONS_MAX_AGE, revocation_list
from apps.serviceauth.selectors.roles import permissions_of, roles_of
from apps.serviceauth.selectors.signing import SigningState, signing_state, signing_trouble

__all__ = [
    "REVOCATIONS_MAX_AGE",
    "KnownRole",
    "SigningState",
    "access_troubles",
    "accounts_with_keys",
    "company_names",
    "every_company_name",
    "operator_companies",
    "people_with_roles",
    "permissions_of",
    "revocation_list",
    "roles_known",
    "roles_of",
    "signing_state",
    "signing_trouble",
    "with_keys",
]
