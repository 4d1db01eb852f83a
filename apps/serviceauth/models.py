"""Who may call, with what, for which companies: accounts, keys, signing keys, revocations, roles; names of companies.

A key or a token is never stored, only what recognises it; private signing keys are stored encrypted.
"""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.tenancy import Scope
from apps.core.tenancy.models import CompanyScoped

ACCOUNT_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$|^[a-z0-9][a-z0-9._-]{1,97}[._-]\*$"
"""A service's name, or a prefix that ends in a separator and ``*``: ``acme-*`` may be ``acme-orders``."""


def _companies() -> "ArrayField[Any, Any]":
    return ArrayField(models.BigIntegerField(), default=list, blank=True)


class Company(CompanyScoped):
    """A company's name, learnt from events. Nothing refers to it: a company may be named before it is known."""

    company_path = "id"

    id = models.BigIntegerField(primary_key=True, help_text="The number by which services name the company.")
    name = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)
    last_event_at = models.DateTimeField(
        help_text="Time of the event that the name is from; older ones change nothing."
    )

    class Meta(CompanyScoped.Meta):
        verbose_name_plural = "companies"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class _OfCompanies(CompanyScoped):
    """A row that may be about several companies: in sight of who acts for all of them."""

    class Meta(CompanyScoped.Meta):
        abstract = True

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope``, which is not everything, may see."""
        companies = list(scope.companies)
        return Q(all_companies=False, companies__contained_by=companies) & ~Q(companies=[])

    @classmethod
    def q_writable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may write: what it sees."""
        return cls.q_readable(scope)

    def require_writable(self) -> None:
        """As `CompanyScoped.require_writable`, for every company of the row."""
        from apps.core.errors import NotFound
        from apps.core.tenancy.models import required_scope

        scope = required_scope(type(self))
        if scope.is_everything:
            return
        mine = self.companies and all(scope.writes(number) for number in self.companies)  # type: ignore[attr-defined]
        if self.all_companies or not mine:  # type: ignore[attr-defined]
            raise NotFound


class ServiceAccount(_OfCompanies):
    """A service (or all services whose names begin alike) that may get tokens.

    ``companies`` are those that it may act for; none: global rows only.
    """

    name = models.CharField(max_length=100, unique=True, help_text="A service's name, or a prefix such as acme-*.")
    description = models.TextField(blank=True)
    companies = _companies()
    all_companies = models.BooleanField(default=False)
    scopes = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    writes_global = models.BooleanField(
        default=True, help_text="Its tokens may name no company, and then write rows of all companies."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)

    # Token exchange (RFC 8693): whether this service may act as a person, in which companies and with which scopes.
    may_act = models.BooleanField(default=False, help_text="May act for a person, with a token of that person.")
    act_companies = _companies()
    act_all_companies = models.BooleanField(default=False)
    act_scopes = ArrayField(models.CharField(max_length=100), default=list, blank=True)

    class Meta(_OfCompanies.Meta):
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=ACCOUNT_PATTERN), name="serviceauth_account_name"),
            models.CheckConstraint(
                condition=Q(all_companies=False) | Q(companies=[]), name="serviceauth_account_companies"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ServiceKey(CompanyScoped):
    """One of several keys of an account. Of the secret there is an HMAC, with a pepper that is not in the database."""

    company_path = "account"

    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="keys")
    key_id = models.CharField(max_length=16, unique=True, help_text="The public part: xrp_<this>_…")
    digest = models.BinaryField(max_length=32)
    pepper_version = models.PositiveSmallIntegerField()
    hint = models.CharField(max_length=4, help_text="The secret's last four characters, to tell keys apart.")
    label = models.CharField(max_length=100, blank=True)
    scopes = ArrayField(models.CharField(max_length=100), null=True, blank=True, help_text="Empty: the account's.")
    companies = ArrayField(models.BigIntegerField(), null=True, blank=True, help_text="Empty: the account's.")
    networks = ArrayField(
        models.CharField(max_length=49), default=list, blank=True, help_text="CIDR blocks it works from; empty: any."
    )
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.GenericIPAddressField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    replaced_at = models.DateTimeField(null=True, help_text="When another was issued in its place.")
    replaced_by = models.OneToOneField("self", on_delete=models.SET_NULL, null=True, related_name="replaces")
    ends_when_replaced_in_use = models.BooleanField(
        default=False, help_text="Ends soon after the first use of the key that replaces it."
    )

    # The last time that somebody who has the whole key was refused, and why: for operators, never for callers.
    refused_at = models.DateTimeField(null=True)
    refused_from = models.GenericIPAddressField(null=True)
    refused_reason = models.CharField(max_length=20, blank=True)

    class Meta(CompanyScoped.Meta):
        ordering = ["account_id", "-created_at"]

    def __str__(self) -> str:
        return f"xrp_{self.key_id}_…{self.hint}"

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may see: the keys of accounts that it sees."""
        return Q(account__in=ServiceAccount.objects.all())

    @classmethod
    def q_writable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may write."""
        return cls.q_readable(scope)

    def require_writable(self) -> None:
        """As its account."""
        self.account.require_writable()


class EnrolmentToken(CompanyScoped):
    """Good for one key of an account, once: for a service that is being installed."""

    company_path = "account"

    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="enrolments")
    digest = models.BinaryField(max_length=32, unique=True)
    pepper_version = models.PositiveSmallIntegerField()
    hint = models.CharField(max_length=4)
    key_expires_at = models.DateTimeField(null=True, blank=True, help_text="When the key that it fetches will expire.")
    networks = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_from = models.GenericIPAddressField(null=True)
    tried_again_at = models.DateTimeField(null=True, help_text="Somebody else has had it, or an answer was lost.")
    tried_again_from = models.GenericIPAddressField(null=True)
    key = models.OneToOneField(ServiceKey, on_delete=models.SET_NULL, null=True, related_name="enrolment")

    class Meta(CompanyScoped.Meta):
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"enrolment of {self.account_id}"

    q_readable = ServiceKey.q_readable
    q_writable = ServiceKey.q_writable

    def require_writable(self) -> None:
        """As its account."""
        self.account.require_writable()


class SigningKey(models.Model):
    """A key that signs tokens: published before it signs, and until the last token that it signed has ended."""

    kid = models.CharField(max_length=64, primary_key=True, help_text="RFC 7638 thumbprint.")
    algorithm = models.CharField(max_length=10, choices=[("ES256", "ES256"), ("RS256", "RS256")])
    public = models.JSONField(help_text="The public JWK.")
    private = models.BinaryField(help_text="PKCS #8, encrypted with a key derived from the pepper.")
    pepper_version = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    signs_from = models.DateTimeField()
    signs_until = models.DateTimeField(null=True, help_text="Null: until another takes over.")
    verifies_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-signs_from"]

    def __str__(self) -> str:
        return self.kid


class Revocation(models.Model):
    """What is void before its time. Small: a row goes when every token that it is about has ended anyway."""

    TOKEN, KEY, ACCOUNT, USER = "token", "key", "account", "user"
    KINDS = [(word, word) for word in (TOKEN, KEY, ACCOUNT, USER)]

    kind = models.CharField(max_length=10, choices=KINDS)
    subject = models.CharField(max_length=200, help_text="jti, key id, account name, or user number.")
    issued_before = models.DateTimeField(help_text="Tokens issued up to this moment are void.")
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "subject"], name="serviceauth_revoked")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class TrustedIssuer(models.Model):
    """Somebody else whose tokens about people are believed in a token exchange."""

    issuer = models.CharField(max_length=300, unique=True, help_text="The exact `iss` of its tokens.")
    audience = models.CharField(max_length=300, help_text="What its tokens must be meant for.")
    algorithms = ArrayField(models.CharField(max_length=10), default=list)
    jwks_url = models.CharField(max_length=2048, blank=True)
    jwks = models.JSONField(null=True, blank=True, help_text="Its public keys, where no address has them.")
    user_claim = models.CharField(max_length=60, default="sub")
    company_claim = models.CharField(max_length=60, blank=True, help_text="Empty: its tokens name no company.")
    companies = _companies()
    all_companies = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["issuer"]

    def __str__(self) -> str:
        return self.issuer


class Role(CompanyScoped):
    """Permissions under a name, such as ``product.*``; a company's own, or for all of them."""

    name = models.CharField(max_length=100)
    company_id = models.BigIntegerField("company", null=True, blank=True, help_text="Empty: for all companies.")
    permissions = ArrayField(models.CharField(max_length=200), default=list)
    description = models.TextField(blank=True)

    class Meta(CompanyScoped.Meta):
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name", "company_id"], name="serviceauth_role_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return self.name


class RoleAssignment(CompanyScoped):
    """A person has a role in a company, or in all of them."""

    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="assignments")
    user_id = models.BigIntegerField("user", help_text="The person's number, as services and events name people.")
    company_id = models.BigIntegerField("company", null=True, blank=True, help_text="Empty: in all companies.")
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)

    class Meta(CompanyScoped.Meta):
        ordering = ["user_id", "role_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["role", "user_id", "company_id"], name="serviceauth_assignment_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["user_id"], name="serviceauth_assignment_user")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role_id}"


class Operator(models.Model):
    """What the hub knows of somebody who signs in, besides Django's user."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="operator")
    user_number = models.BigIntegerField(
        null=True, blank=True, unique=True, help_text="The person's number, as services and events name people."
    )
    companies = ArrayField(
        models.BigIntegerField(), null=True, blank=True, help_text="Sees only these; empty: all companies."
    )

    def __str__(self) -> str:
        return f"operator {self.user_id}"
