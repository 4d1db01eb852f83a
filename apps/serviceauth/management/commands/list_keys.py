"""`manage.py list_keys [NAME]`: which keys there are, how they stand, and who used them last."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.core.times import ago
from apps.serviceauth import selectors
from apps.serviceauth.management import words
from apps.serviceauth.standing import key_standing

COLUMNS = ("account", "key id", "label", "state", "ends", "last used")


class Command(BaseCommand):
    """Prints a table; never more of a key than its public id and the last four characters."""

    help = "List keys of services with their state, the newest of each account first."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", metavar="NAME", nargs="?", help="only the keys of this account")
        parser.add_argument("--all", action="store_true", help="also keys that are disabled or have ended")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table.

        Raises:
            CommandError: there is no account of that name.
        """
        now, name = timezone.now(), options["name"]
        with words.running("list_keys"):
            accounts = selectors.accounts_with_keys(name)
        if name and not accounts:
            raise CommandError(f"There is no account {name}.")
        rows = []
        for account in accounts:
            for key in account.all_keys:
                standing = key_standing(key, now)
                if not (standing.is_live or options["all"]):
                    continue
                used = f"{ago(key.last_used_at, now)} from {key.last_used_from}" if key.last_used_at else "never"
                state = standing.badge.word if account.is_active else f"account disabled, {standing.badge.word}"
                ends = ago(key.expires_at, now) if key.expires_at else "never"
                rows.append((account.name, key.key_id, key.label or "–", state, ends, used))
        if not rows:
            hidden = "" if options["all"] else " (--all shows those that are over)"
            self.stdout.write(f"No keys{hidden}. Issue one: manage.py issue_key {name or 'NAME'}")
            return
        widths = [max(len(row[n]) for row in (COLUMNS, *rows)) for n in range(len(COLUMNS))]
        for row in (COLUMNS, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
