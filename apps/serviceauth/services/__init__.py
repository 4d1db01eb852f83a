"""Every write of service authentication that others may ask for."""

from apps.serviceauth.services.accounts import account_create, account_disable, account_enable, account_update
from apps.serviceauth.services.authenticating import Authenticated, authenticate_key
from apps.serviceauth.services.companies import company_learn
from apps.serviceauth.services.enrolling import enrolment_cancel, enrolment_create, enrolment_redeem
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
from apps.serviceauth.services.roles import role_assign, role_delete, role_save, role_unassign

__all__ = [
    "OVERLAPS",
    "UNTIL_USED",
    "Authenticated",
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
    "role_assign",
    "role_delete",
    "role_save",
    "role_unassign",
    "user_forget",
]
