"""`manage.py disable_key KEYID`: end a key and its tokens, from a shell."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.serviceauth import keys, services
from apps.serviceauth.management import words
from apps.serviceauth.models import ServiceKey


class Command(BaseCommand):
    """Disabling twice is no fault: the second time says so."""

    help = "End a key, and every token that it got, at once and for good."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("key_id", metavar="KEYID", help="the public part of the key: xrp_KEYID_…")
        parser.add_argument("--reason", default="disabled from a shell", metavar="TEXT", help="why; kept in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        """Disable the key.

        Raises:
            CommandError: there is no such key, or a whole key was given: it would stay in the shell's history.
        """
        key_id = options["key_id"]
        if keys.parse_key(key_id):
            raise CommandError(
                "Give the id alone, the part between xrp_ and the next _. The whole key now stands in your shell's"
                " history: take it out there."
            )
        with words.running("disable_key") as who:
            key = ServiceKey.objects.select_related("account").filter(key_id=key_id).first()
            if key is None:
                raise CommandError(f"There is no key {key_id[:40]}.")
            is_new = services.key_disable(key=key, reason=options["reason"], actor=who, now=timezone.now())
        if not is_new:
            self.stdout.write(f"The key {key_id} of {key.account.name} was disabled before.")
            return
        self.stdout.write(
            f"Disabled the key {key_id} of {key.account.name}. Its tokens are void: in the hub within a second, with"
            " services that verify offline as soon as they ask again, which they do every half minute."
        )
