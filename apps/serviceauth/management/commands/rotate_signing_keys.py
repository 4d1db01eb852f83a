"""`manage.py rotate_signing_keys [--now] [--withdraw=KID]`: which keys sign tokens, and what happens to them next."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.core.times import ago, spell
from apps.serviceauth import selectors, services
from apps.serviceauth.management import words
from apps.serviceauth.models import SigningKey

COLUMNS = ("key", "algorithm", "state", "published", "signs from", "signs until", "kept until")


class Command(BaseCommand):
    """Rotates as Celery beat does every minute, and prints a table of public things only."""

    help = (
        "Make the signing key that is needed next, and list all keys. Celery beat does the first by itself; the next"
        " key is always published for ten minutes before it signs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--now", action="store_true", help="do not wait until the present key is old enough")
        parser.add_argument(
            "--withdraw",
            metavar="KID",
            help="take a key back that somebody else may have: its tokens are void at once, and another signs",
        )
        parser.add_argument("--reason", default="", help="with --withdraw: why, for the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, withdraw, and print the table.

        Raises:
            CommandError: there is no key to withdraw, or the database is away.
        """
        now = timezone.now()
        with words.running("rotate_signing_keys"):
            if options["withdraw"]:
                self._withdraw(options["withdraw"], options["reason"], now)
            made = services.signing_keys_rotate(now=now, at_once=options["now"])
            state = selectors.signing_state(now=now)
        for kid in made:
            self.stdout.write(f"Made the key {kid}.")
        if options["now"] and not made:
            self.stdout.write("Another key waits to take over already.")
        self._print(state, now)

    def _withdraw(self, kid: str, reason: str, now: dt.datetime) -> None:
        try:
            present = services.signing_key_withdraw(kid=kid, now=now, reason=reason)
        except SigningKey.DoesNotExist:
            raise CommandError(f"There is no key {kid}.") from None
        self.stdout.write(f"Withdrew the key {kid}: its tokens are void. {present} signs now.")

    def _print(self, state: selectors.SigningState, now: dt.datetime) -> None:
        rows = [COLUMNS]
        for lane in state.ring.lanes:
            key = lane.key
            until = ago(key.signs_until, now) if key.signs_until else "another takes over"
            kept = ago(key.verifies_until, now) if key.verifies_until else "–"
            started = (ago(key.created_at, now), ago(key.signs_from, now))
            rows.append((key.kid, key.algorithm, lane.badge.word, *started, until, kept))
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        if state.trouble:
            self.stdout.write(f"{state.trouble.text} {state.trouble.mend}")
        if state.next_step:
            told = f"Next: {ago(state.next_step.at, now)}, {state.next_step.text}."
            days = spell(dt.timedelta(days=settings.SIGNING_KEY_DAYS))
            self.stdout.write(f"{told} A key signs for {days} (SIGNING_KEY_DAYS).")
