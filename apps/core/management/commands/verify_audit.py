"""`manage.py verify_audit`: recompute the audit's hash chain and say whether anything was changed."""

import argparse
import json
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from apps.core import sealing, verification
from apps.core.tenancy import system, use
from apps.core.verification import Fault

MOST_TOLD = 100
ADVICE = """
What to do: keep the database as it is (a dump, or a stopped copy) before anything else is done to it. Compare the
entries named above with a backup from before the fault: they show what was changed, and the log lines with the same
request ids show what was done meanwhile. Change the passwords of everybody who can write to this database as its
owner: the hub's own role can add to these tables and nothing else.
"""


class Command(BaseCommand):
    """Exits with 1 when the audit is not as it was written, and with 0 when it is."""

    help = "Recompute the audit's hash chain; exit code 1 when an entry was changed, removed or never sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="begin at seal N")
        parser.add_argument(
            "--expect",
            type=_checkpoint,
            metavar="N:HASH",
            help="a checkpoint that an earlier run printed and you kept elsewhere: seal N must still have this hash",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object and no progress")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, report, and end the process with 1 on a fault."""
        with use(system("manage.py verify_audit")):
            found = self._verify(options["first"], options["expect"], quiet=options["json"])
        self._report(found, as_json=options["json"])
        if found["faults"]:
            raise SystemExit(1)

    def _verify(self, first: int, expected: tuple[int, str] | None, *, quiet: bool) -> dict[str, Any]:
        # Told before it is mended: whoever calls this wants to know that nobody has sealed for a while.
        faults = verification.waiting(now=timezone.now())
        sealed = sealing.seal_all()
        after, goal = max(0, first - 1), verification.last_seal()
        if after and verification.seal_hash(after) is None:
            faults.append(Fault("gap", after, None, f"Seal {after} is missing: there is no beginning at {first}."))
        position, last = after, b""
        for piece in verification.walk(after=after, until=goal):
            position, last = piece.position, piece.hash
            faults += piece.faults
            if not quiet:
                self.stderr.write(f"\r{position} of {goal}", ending="")
        if not quiet and position > after:
            self.stderr.write("")
        faults += verification.unsealed()
        if expected is not None:
            faults += _unexpected(*expected)
        return {
            "intact": not faults,
            "verified": {"from": after + 1, "to": position},
            "newly_sealed": sealed,
            "checkpoint": f"{position}:{last.hex()}" if last else None,
            "fault_count": len(faults),
            "faults": [
                {"kind": fault.kind, "seal": fault.seal, "entry_id": fault.entry_id, "text": fault.text}
                for fault in faults[:MOST_TOLD]
            ],
        }

    def _report(self, found: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for fault in found["faults"]:
            self.stdout.write(f"{fault['kind']}: {fault['text']}")
        if found["faults"]:
            count = found["fault_count"]
            more = f" ({count - MOST_TOLD} more are not listed)" if count > MOST_TOLD else ""
            self.stdout.write(f"The audit was changed: {count} fault{'s' if count > 1 else ''}{more}.\n{ADVICE}")
            return
        told = found["verified"]
        if found["checkpoint"] is None:
            self.stdout.write("The audit has no entries from there on.")
            return
        self.stdout.write(f"Intact: seals {told['from']} to {told['to']}.\nCheckpoint: {found['checkpoint']}")
        self.stdout.write("Keep the checkpoint outside of this database, and give it to the next run with --expect.")


def _unexpected(number: int, expected: str) -> list[Fault]:
    """Return what is wrong with a checkpoint that somebody kept."""
    stored = verification.seal_hash(number)
    if stored is None:
        return [Fault("checkpoint", number, None, f"The chain does not reach the checkpoint {number}: it was cut.")]
    if stored.hex() != expected:
        text = f"Seal {number} has another hash than the checkpoint: the chain was rewritten."
        return [Fault("checkpoint", number, None, text)]
    return []


def _checkpoint(text: str) -> tuple[int, str]:
    found = re.fullmatch("([0-9]{1,18}):([0-9a-fA-F]{64})", text.strip(), re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("a checkpoint is a seal's number, a colon, and 64 hexadecimal digits")
    return int(found[1]), found[2].lower()
