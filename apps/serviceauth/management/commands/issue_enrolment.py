"""`manage.py issue_enrolment NAME`: a token with which a service that is being installed fetches its first key."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from apps.core.look import exactly
from apps.core.tenancy import Companies
from apps.core.times import spell
from apps.serviceauth import services
from apps.serviceauth.grants import is_within, spell_companies
from apps.serviceauth.management import words
from apps.serviceauth.models import ServiceAccount

EPILOG = """
The token is good for one key, once, for a short time: what a person copies, or an installation script carries, is worth
nothing afterwards. The service sends it to service-auth/enrol and keeps the key that it gets. If somebody else was
faster, the service is refused, and the console says from where the token was tried again.
Without an account of that name one is made.
"""


class Command(BaseCommand):
    """Prints a new enrolment token; with ``--print`` nothing else."""

    help = "Issue a token that is good for one key of a service." + EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name", metavar="NAME", help="the service's name, or the beginning of names, such as acme-*"
        )
        parser.add_argument(
            "--companies",
            type=words.companies,
            metavar="1,2|*|none",
            help="the companies of an account that is made; one that is there must have them already",
        )
        parser.add_argument(
            "--valid", type=words.duration, default=dt.timedelta(hours=1), metavar="1h", help="for how long; at most 7d"
        )
        parser.add_argument(
            "--key-expires", type=words.duration, metavar="90d", help="after which time the key ends that it fetches"
        )
        parser.add_argument(
            "--networks", type=words.texts, default=[], metavar="CIDR,…", help="from where it, and the key, work"
        )
        parser.add_argument("--print", dest="bare", action="store_true", help="print the token alone, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the token.

        Raises:
            CommandError: an option is not good, the account is disabled, or it has other companies.
        """
        now = timezone.now()
        ends = now + options["key_expires"] if options["key_expires"] else None
        with words.running("issue_enrolment") as who, transaction.atomic():
            account = _account(options["name"], options["companies"], who)
            text = services.enrolment_create(
                account=account,
                actor=who,
                now=now,
                lifetime=options["valid"],
                key_expires_at=ends,
                networks=options["networks"],
            )
        self.stdout.write(text if options["bare"] else _message(text, account, now + options["valid"], now))


def _account(name: str, companies: Companies | None, who: str) -> ServiceAccount:
    found: ServiceAccount | None = ServiceAccount.objects.filter(name=name).first()
    if found is None:
        return services.account_create(name=name, actor=who, companies=frozenset() if companies is None else companies)
    has: Companies = "*" if found.all_companies else frozenset(found.companies)
    if companies is not None and not is_within(companies, has):
        raise CommandError(
            f"There is an account {name} already, for {spell_companies(has)}: an enrolment does not give it more."
            " Nothing was changed. Widen it in the console, or leave --companies out."
        )
    return found


def _message(text: str, account: ServiceAccount, until: dt.datetime, now: dt.datetime) -> str:
    return (
        f"A token for one key of {account.name}, good once, until {exactly(until)} (for {spell(until - now)}):\n\n"
        f"  {text}\n\n"
        "Give it to the service that is being installed. It fetches its key with\n"
        f"  POST {settings.HUB_PUBLIC_URL}/api/v1/service-auth/enrol "
        f'{{"service_name": "{account.name}", "enrolment_token": "…"}}\n'
        "and keeps what it gets as XERPIUM_SERVICE_KEY."
    )
