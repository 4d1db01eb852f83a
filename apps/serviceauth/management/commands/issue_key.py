"""`manage.py issue_key NAME`: a key for a service, from a shell or a script."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from apps.core.look import exactly
from apps.core.scopes import DEFAULT_SCOPES, SCOPES
from apps.core.tenancy import Companies
from apps.core.times import spell
from apps.serviceauth import services
from apps.serviceauth.grants import is_within, spell_companies
from apps.serviceauth.management import words
from apps.serviceauth.models import ServiceAccount

EPILOG = """
Without an account of that name one is made: with --companies, without them for rows of all companies only (no company);
with --scopes, without them with everything that a service does with what is its own.
With an account, --companies and --scopes narrow this key. They never give the account more than it has, unless --widen
says so: a script that is run again must not hand out rights that somebody took away.
The key is shown once. The hub stores only what recognises it.
"""


class Command(BaseCommand):
    """Prints a new key; with ``--print`` nothing else."""

    help = "Issue a key for a service, and make its account when there is none." + EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name", metavar="NAME", help="the service's name, or the beginning of names, such as acme-*"
        )
        parser.add_argument(
            "--companies", type=words.companies, metavar="1,2|*|none", help="the companies that it may act for"
        )
        parser.add_argument(
            "--scopes", type=words.texts, metavar="A,B", help=f"what it may do, of: {', '.join(sorted(SCOPES))}"
        )
        parser.add_argument("--expires", type=words.duration, metavar="90d", help="after which time the key ends")
        parser.add_argument(
            "--networks",
            type=words.texts,
            default=[],
            metavar="CIDR,…",
            help="from where the key works; any by default",
        )
        parser.add_argument("--label", default="", metavar="TEXT", help="what tells the key from others, for people")
        parser.add_argument(
            "--no-global",
            action="store_true",
            help="make an account that writes no rows of all companies: of one company its tokens then always name it",
        )
        parser.add_argument(
            "--widen", action="store_true", help="give an account that is there already what it lacks of the above"
        )
        parser.add_argument("--print", dest="bare", action="store_true", help="print the key alone, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the key.

        Raises:
            CommandError: an option is not good, the account is disabled, or it has less than what is asked for.
        """
        now = timezone.now()
        with words.running("issue_key") as who, transaction.atomic():
            account, is_new = _account(options, who)
            narrowed = _narrowed(account, options)
            expires_at = now + options["expires"] if options["expires"] else None
            text = services.key_issue(
                account=account,
                actor=who,
                now=now,
                label=options["label"].strip()[:100],
                networks=options["networks"],
                expires_at=expires_at,
                **narrowed,
            )
        told = text if options["bare"] else self._message(text, account, options, narrowed, is_new, now)
        self.stdout.write(told)

    def _message(
        self,
        text: str,
        account: ServiceAccount,
        options: dict[str, Any],
        narrowed: dict[str, Any],
        is_new: bool,
        now: dt.datetime,
    ) -> str:
        companies = _companies(account) if narrowed["companies"] is None else frozenset(narrowed["companies"])
        scopes = account.scopes if narrowed["scopes"] is None else narrowed["scopes"]
        ends = f"never by itself, but after {settings.KEY_IDLE_DAYS} days without use"
        if options["expires"]:
            ends = f"{exactly(now + options['expires'])} (in {spell(options['expires'])})"
        rows = {
            "account": account.name + (" (made just now)" if is_new else ""),
            "companies": spell_companies(companies) + (" and what belongs to all" if companies != "*" else ""),
            "scopes": " ".join(sorted(scopes)) or "none",
            "works from": ", ".join(options["networks"]) or "anywhere",
            "ends": ends,
        }
        facts = "\n".join(f"  {name:<11} {value}" for name, value in rows.items())
        return (
            f"A key for {account.name}. It is shown this once: the hub keeps only what recognises it.\n\n"
            f"  {text}\n\n{facts}\n\n"
            "Give it to the service as the environment variable XERPIUM_SERVICE_KEY; the SDK does the rest. Without the"
            f" SDK: POST {settings.HUB_PUBLIC_URL}/api/v1/service-auth/token with service_name and service_key.\n"
            f"Next: start the service, and see in {settings.HUB_PUBLIC_URL}/admin/serviceauth/serviceaccount/ that the"
            " key is used. If it leaks: manage.py disable_key " + text.split("_")[1]
        )


def _account(options: dict[str, Any], who: str) -> tuple[ServiceAccount, bool]:
    """Return the account, and whether it was made now."""
    name, companies, scopes = options["name"], options["companies"], options["scopes"]
    found: ServiceAccount | None = ServiceAccount.objects.filter(name=name).first()
    if found is None:
        made = services.account_create(
            name=name,
            actor=who,
            companies=frozenset() if companies is None else companies,
            scopes=DEFAULT_SCOPES if scopes is None else scopes,
            writes_global=not options["no_global"],
        )
        return made, True
    if options["no_global"] and found.writes_global:
        raise CommandError(
            f"There is an account {name} already, which may write rows of all companies: --no-global is for a new one."
            " Change it in the console."
        )
    missing = _missing(found, companies, scopes)
    if not missing:
        return found, False
    if not options["widen"]:
        raise CommandError(
            f"There is an account {name} already, for {spell_companies(_companies(found))}, with the scopes"
            f" {' '.join(found.scopes) or '(none)'}. It lacks {' and '.join(missing)}. Nothing was changed: give it"
            " more with --widen or in the console, or ask for less."
        )
    wider: Companies = _companies(found) if companies is None else _union(_companies(found), companies)
    return services.account_update(
        account=found, actor=who, companies=wider, scopes=sorted({*found.scopes, *(scopes or ())})
    ), False


def _missing(account: ServiceAccount, companies: Companies | None, scopes: list[str] | None) -> list[str]:
    """Return in words what is asked for and the account has not."""
    missing = []
    has = _companies(account)
    if companies is not None and not is_within(companies, has):
        beyond: Companies = "*" if companies == "*" else companies - frozenset(account.companies)
        missing.append(spell_companies(beyond))
    if lacking := sorted(set(scopes or ()) - set(account.scopes)):
        missing.append(f"the scope {' '.join(lacking)}")
    return missing


def _narrowed(account: ServiceAccount, options: dict[str, Any]) -> dict[str, Any]:
    """Return what this key has of its account, where that is less than all."""
    companies, scopes = options["companies"], options["scopes"]
    same = companies is None or companies == _companies(account)
    return {
        "companies": None if same else sorted(companies),
        "scopes": None if scopes is None or set(scopes) == set(account.scopes) else scopes,
    }


def _companies(account: ServiceAccount) -> Companies:
    return "*" if account.all_companies else frozenset(account.companies)


def _union(one: Companies, other: Companies) -> Companies:
    return "*" if one == "*" or other == "*" else one | other
