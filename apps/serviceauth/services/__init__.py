"""Every write of service authentication that others may ask for."""

from apps.serviceauth.services.accounts import account_create, account_disable, account_enable, account_update
from apps.serviceauth.services.authenticating import Authenticated, authenticate_key
from apps.serviceauth.services.companies import company_learn
from apps.serviceauth.services.enrolling import enrolment_cancel, enrolment_create, enrolment_redeem
from apps.serviceauth.services.issuing import Issued, token_issue, user_token_issue
from apps.serviceauth.services.keys import (
    OVERLAPS,
    UNTIL_USED,
    key_disable,
    key_issue,
    key_report_leak,
    key_rotate,
    keys_disable_idle,
)
from apps.serviceauth.services.people import user_forget
from apps.serviceauth.services.revoking import (
    revocations_prune,
    revoke_account,
    revoke_key,
    revoke_token,
    revoke_user,
)
from apps.serviceauth.services.roles import role_assign, role_delete, role_save, role_unassign
from apps.serviceauth.services.signing import (
    JWKS_MAX_AGE,
    published_keys,
    signing_key_withdraw,
    signing_keys_rotate,
)
from apps.serviceauth.services.viewing import viewer_token_issue

__all__ = [
    "JWKS_MAX_AGE",
    "OVERLAPS",
    "UNTIL_USED",
    "Authenticated",
    "Issued",
    "account_create",
    "account_disable",
    "account_enable",
    "account_update",
    "authenticate_key",
    "company_learn",
    "enrolment_cancel",
    "enrolment_create",
    "enrolment_redeem",
    "key_disable",
    "key_issue",
    "key_report_leak",
    "key_rotate",
    "keys_disable_idle",
    "published_keys",
    "revocations_prune",
    "revoke_account",
    "revoke_key",
    "revoke_token",
    "revoke_user",
    "role_assign",
    "role_delete",
    "role_save",
    "role_unassign",
    "signing_key_withdraw",
    "signing_keys_rotate",
    "token_issue",
    "user_forget",
    "user_token_issue",
    "viewer_token_issue",
]
