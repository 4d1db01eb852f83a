"""`manage.py apply_manifest FILE…`: menus, pages, forms and widgets of services from files, with a plan to read."""

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.core import strictjson
from apps.core.errors import HubError, InvalidInput
from apps.core.tenancy import system, use
from apps.serviceauth.management import words
from apps.uiregistry.manifest import MAX_BYTES
from apps.uiregistry.manifest_serializers import read_manifest, require_name
from apps.uiregistry.services.manifests import manifest_apply

EPILOG = """
A file holds what PUT /api/v1/services/NAME/manifest takes, as JSON:

  {"service_name": "orders", "schema_version": 1, "version": "1.4.2", "generation": 41,
   "menus": [...], "components": [...], "widgets": [...]}

service_name is optional: --service says it too, and without both the file does: orders.json and orders.manifest.json
are of orders. A file named - is read from the standard input.

What the file does not name is taken away, and returns with its id and with what operators changed when it is named
again. The same content again changes nothing. Other content needs a greater generation than the stored one. Where more
than half of all items, and more than five, would go, nothing is done without --confirm-prune.

The plan has a line for each item:
  + created   ~ updated   - removed   = an operator's word stands   … waits for its parent   ! worth a look

Files are applied one after the other, each as a whole or not at all. The first refusal ends the command with the exit
code 1; what is wrong is told with pointers into the file.
"""
MARKS = {"created": "+", "updated": "~", "removed": "-", "kept_by_overlay": "=", "pending": "…"}


class Command(BaseCommand):
    """Applies files as a service would, in the name of who runs it."""

    help = "Declare everything of one or more services from files."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the lines of the explanation as they are."""
        parser = super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("files", metavar="FILE", nargs="+", help="a manifest as JSON; - is the standard input")
        parser.add_argument("--service", metavar="NAME", help="whose it is; only with one file")
        parser.add_argument(
            "--company",
            type=int,
            metavar="N",
            help="declare it from within this company, for this company alone; by default for all companies",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
        parser.add_argument("--confirm-prune", action="store_true", help="take away more than half, if that is meant")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the files.

        Raises:
            CommandError: a file cannot be read, or what it says was refused.
        """
        files: list[str] = options["files"]
        if options["service"] and len(files) > 1:
            raise CommandError("--service is for one file; several name their services themselves.")
        who = words.person()
        with use(system(f"{who} with manage.py apply_manifest")):
            for number, name in enumerate(files):
                done = self._apply(name, options, who)
                if number:
                    self.stdout.write("")
                self._print(name, done, options)

    def _apply(self, name: str, options: dict[str, Any], who: str) -> dict[str, Any]:
        document = _document(name)
        service = options["service"] or document.get("service_name") or _service_of(name)
        named = document.pop("service_name", None) or service
        if named != service:
            raise CommandError(f"{name}: /service_name is {named!r}, and --service says {service!r}.")
        try:
            require_name(service)
            answer = manifest_apply(
                service_name=service,
                declared_in=options["company"],
                body=read_manifest(document),
                confirm_prune=options["confirm_prune"],
                dry_run=options["dry_run"],
                actor=f"{who} with manage.py",
                companies="*",
                now=timezone.now(),
            )
        except HubError as error:
            raise CommandError(_refusal(name, error, options)) from error
        return {"service": service, "version": document["version"], **answer}

    def _print(self, name: str, done: dict[str, Any], options: dict[str, Any]) -> None:
        where = "all companies" if options["company"] is None else f"company {options['company']}"
        self.stdout.write(f"{done['service']} {done['version']} for {where}, from {name}")
        for section, mark in MARKS.items():
            for entry in done[section]:
                self.stdout.write(f"  {mark} {_line(section, entry)}")
        for warning in done["warnings"]:
            if warning["code"] == "pending_parent":
                continue  # its line stands above
            self.stdout.write(f"  ! {warning['pointer']}: {warning['message']}")
        self.stdout.write(_summary(done, options["dry_run"]))
        for hint in _next_steps(done, options):
            self.stdout.write(hint)


def _document(name: str) -> dict[str, Any]:
    """Return what a file says.

    Raises:
        CommandError: it cannot be read, is too large, or is no JSON object.
    """
    try:
        content = sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else _content(Path(name))
        document = strictjson.parse(content, limit=MAX_BYTES)
    except (OSError, strictjson.TooLong, strictjson.NotJSON) as error:
        raise CommandError(f"{name}: {error}") from None
    if not isinstance(document, dict):
        raise CommandError(f"{name}: a manifest is a JSON object.")
    return document


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _service_of(name: str) -> str:
    if name == "-":
        raise CommandError("Say whose manifest the standard input has: --service NAME, or service_name in it.")
    return Path(name).name.partition(".")[0]


def _line(section: str, entry: dict[str, Any]) -> str:
    named = f"{entry['kind']} {entry['key']}"
    if section == "updated":
        return f"{named}: {', '.join(entry['fields'])}"
    if section == "kept_by_overlay":
        return f"{named}: {', '.join(entry['fields'])} ({', '.join(entry['scopes'])})"
    return f"{named}: its parent is not there yet" if section == "pending" else named


def _summary(done: dict[str, Any], dry_run: bool) -> str:
    if not done["changed"]:
        return f"Nothing changes: the hub has this already (revision {done['revision']})."
    amounts = ", ".join(f"{len(done[section])} {section}" for section in ("created", "updated", "removed"))
    if dry_run:
        return f"Would be done: {amounts}. Nothing was changed."
    return f"Done: {amounts}. Revision {done['revision']}, generation {done['generation']}."


def _next_steps(done: dict[str, Any], options: dict[str, Any]) -> list[str]:
    if options["dry_run"]:
        return ["Next: the same command without --dry-run."] if done["changed"] else []
    hints = []
    if done["pending"]:
        hints.append("Next: apply the manifests that have the missing parents; what waits here then appears by itself.")
    if done["kept_by_overlay"]:
        hints.append("Next: look into the inbox of menus in the console, where operators and this manifest differ.")
    return hints


def _refusal(name: str, error: HubError, options: dict[str, Any]) -> str:
    hints = {
        "prune_guard": "If that is meant, say --confirm-prune.",
        "older_generation": "Raise the generation in the file.",
    }
    lines = [f"{name}: {error.detail}" if error.detail else f"{name}: refused."]
    if isinstance(error, InvalidInput) or error.code not in hints:
        lines += [f"  {fault.pointer or '/'}: {fault.message}" for fault in error.errors]
    lines.append(hints.get(error.code, "Nothing of this file was applied."))
    if options["dry_run"]:
        lines.append("Nothing was changed in any case.")
    return "\n".join(lines)
