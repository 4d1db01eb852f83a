"""What can be asked for: every command with its options and examples. Imports nothing that takes time."""

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Sequence
from typing import NoReturn, TypeAlias

from xerpium_sdk import __version__
from xerpium_sdk.cli._codes import EXIT_CODES

__all__ = ["SHELLS", "Commands", "parser"]

SHELLS = ("bash", "zsh", "fish")
STATUSES = ("healthy", "degraded", "starting", "unhealthy", "draining", "stale")
VERDICTS = ("valid", "unverified", "undeclared", "mismatch", "undecodable")
Commands: TypeAlias = "_SubParsersAction[_Parser]"

_ABOUT = """\
Look at a XERPIUM hub, call its services, send events, try manifests, and find out what is wrong with a set-up.

Where the hub is, and who calls, the environment says, as it does for services:
  XERPIUM_HUB_URL                               the hub's address, such as http://127.0.0.1:8000 (or --hub)
  XERPIUM_SERVICE_NAME                          in whose name to speak
  XERPIUM_SERVICE_KEY, XERPIUM_SERVICE_KEY_FILE its key; an open hub needs none
  NO_COLOR                                      no colours"""


class _Parser(ArgumentParser):
    """A parser that does not hide what is wrong behind its usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read more."""
        self.exit(2, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


def parser() -> ArgumentParser:
    """Return the parser of everything."""
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())
    top = _Parser(
        prog="xerpium",
        description=_ABOUT,
        epilog=f"exit codes (doctor: how much is wrong):\n{codes}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"xerpium-sdk {__version__}")
    top.set_defaults(run=None, shown=top, hub=None, json=False, verbose=False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _services(commands)
    _watch(commands)
    _call(commands)
    _events(commands)
    _manifest(commands)
    _doctor(commands)
    _completion(commands)
    return top


def _services(commands: Commands) -> None:
    command = _command(
        commands,
        "services",
        "show the services, or one with its instances",
        "_services:services",
        ["xerpium services", "xerpium services --status unhealthy --json", "xerpium services product-service"],
    )
    command.add_argument("name", nargs="?", metavar="NAME", help="show this one with its instances")
    command.add_argument("--tag", help="only with this tag")
    command.add_argument("--capability", help="only what can do this")
    command.add_argument("--status", choices=STATUSES, help="only in this state")
    command.add_argument("--dependency", metavar="SERVICE", help="only what depends on this one")
    command.add_argument("--company", type=_number, metavar="N", help="only of this company")
    command.add_argument("-q", metavar="TEXT", help="only with this in name, tags or capabilities")
    command.add_argument("--range", metavar="RANGE", help="with NAME: only versions in this npm-style range")


def _watch(commands: Commands) -> None:
    command = _command(
        commands,
        "watch",
        "tell every change of the catalogue, as it happens",
        "_watch:watch",
        ["xerpium watch", "xerpium watch product-service order-service", "xerpium watch --json | jq -r .service"],
        "One line each: services that join, change or leave, and whether the connection to the hub is lost or back.",
    )
    command.add_argument("names", nargs="*", metavar="NAME", help="only these services")
    command.add_argument("--count", type=_number, metavar="N", help="end after so many changes")


def _call(commands: Commands) -> None:
    command = _command(
        commands,
        "call",
        "call a service through whatever instances of it work",
        "_call:call",
        [
            "xerpium call product-service products/42",
            "xerpium call product-service 'products?limit=3' --company 7",
            "xerpium call order-service orders -d '{\"lines\": []}'",
            "xerpium call order-service orders/7 -X PUT -d @order.json -H 'If-Match: \"3\"'",
        ],
        "The answer's body goes to stdout, the rest to stderr: status, instance, time. PATH is below the service's\n"
        "api_base_url. A write is sent once; with --idempotent it carries an Idempotency-Key and may be repeated.",
    )
    command.add_argument("service", metavar="SERVICE", help="its name")
    command.add_argument("path", metavar="PATH", help="such as products/42, with a query if need be")
    command.add_argument("-X", "--method", metavar="VERB", help="default: GET, or POST with -d")
    command.add_argument("-d", "--data", metavar="JSON", help="the body: JSON, @FILE, or - for stdin")
    command.add_argument(
        "-H", "--header", action="append", default=[], metavar="HEADER", help="such as 'Accept: text/csv'"
    )
    command.add_argument("--company", type=_number, metavar="N", help="the company of the call; needs a key")
    command.add_argument("--range", metavar="RANGE", help="only instances whose version is in this npm-style range")
    command.add_argument("--zone", help="prefer instances of this zone; default: XERPIUM_ZONE")
    command.add_argument("--timeout", type=_seconds, default=30.0, metavar="S", help="for all attempts (default: 30)")
    command.add_argument("--idempotent", action="store_true", help="the call may be repeated")


def _events(commands: Commands) -> None:
    group = _group(commands, "events", "see, publish and replay events")
    tail = _command(
        group,
        "tail",
        "show events as they are journalled",
        "_events:tail",
        [
            "xerpium events tail",
            "xerpium events tail --type order_created --since 2h",
            "xerpium events tail --entity Order:42 -n 100 --no-follow --json",
        ],
        "From the hub's journal: what the caller may see, with the hub's verdict, about a second after it happened.",
    )
    tail.add_argument("--type", metavar="TYPE", help="only of this type")
    tail.add_argument("--service", metavar="NAME", help="only of this service")
    tail.add_argument("--entity", metavar="TYPE[:ID]", help="only about this, such as Order:42")
    tail.add_argument("--company", type=_number, metavar="N", help="only of this company")
    tail.add_argument("--correlation", metavar="ID", help="only with this correlation id")
    tail.add_argument("--verdict", choices=VERDICTS, help="only what the hub judges so")
    tail.add_argument(
        "--since", metavar="WHEN", help="begin there: 30s, 10m, 2h, 7d, or a time such as 2026-05-04T12:00Z"
    )
    tail.add_argument("-n", "--last", type=_number, metavar="N", help="begin with the last N (default: 10)")
    tail.add_argument("--no-follow", action="store_true", help="end when all are shown")
    tail.add_argument("--count", type=_number, metavar="N", help="end after so many")
    tail.add_argument("--every", type=_seconds, default=1.0, metavar="S", help="how often to look (default: 1)")
    publish = _command(
        group,
        "publish",
        "publish one event",
        "_events:publish",
        [
            "xerpium events publish stock_low --entity Product:42 -d '{\"left\": 3}'",
            "xerpium events publish order_created --entity Order:7 --company 7 -d @order.json --service order-service",
        ],
    )
    publish.add_argument("type", metavar="TYPE", help="a standard type, or one that a service declared")
    publish.add_argument("--entity", metavar="TYPE[:ID]", required=True, help="what it is about, such as Product:42")
    publish.add_argument("-d", "--data", metavar="JSON", help="what happened: an object as JSON, @FILE, or - for stdin")
    publish.add_argument("--service", metavar="NAME", help="who publishes; default: XERPIUM_SERVICE_NAME")
    publish.add_argument(
        "--company", type=_number, metavar="N", help="of this company; default: of the caller's, or all"
    )
    publish.add_argument("--user", metavar="ID", help="who did it")
    publish.add_argument("--correlation", metavar="ID", help="what it belongs to; default: this request")
    dead = _command(
        group,
        "dead",
        "list what groups gave up on",
        "_events:dead",
        ["xerpium events dead", "xerpium events dead --group billing --state waiting --json"],
    )
    dead.add_argument("--group", metavar="NAME", help="only of this consumer group")
    dead.add_argument("--type", metavar="TYPE", help="only of this type")
    dead.add_argument("--state", choices=("waiting", "replayed", "discarded"), help="only in this state")
    dead.add_argument("-n", "--last", type=_number, default=50, metavar="N", help="the last N (default: 50)")
    replay = _command(
        group,
        "replay",
        "send dead letters again, to the group that gave them up",
        "_events:replay",
        ["xerpium events replay 17 18"],
        "The numbers are those of xerpium events dead. The key needs the scope events:decide.",
    )
    replay.add_argument("ids", nargs="+", type=_number, metavar="ID", help="a dead letter's number")


def _manifest(commands: Commands) -> None:
    group = _group(commands, "manifest", "see and apply what a service shows: menus, pages, widgets")
    about = (
        "FILE holds a manifest as JSON (- is stdin); or it is module:name of a Manifest, or of an XerpiumService,\n"
        "which is then imported from the current directory."
    )
    diff = _command(
        group,
        "diff",
        "show what would change",
        "_manifest:diff",
        [
            "xerpium manifest diff manifest.json --service order-service",
            "xerpium manifest diff order_service.main:service",
        ],
        about,
    )
    diff.add_argument("--exit-code", action="store_true", help="end with 1 where something would change")
    apply = _command(
        group,
        "apply",
        "show it, ask, and do it",
        "_manifest:apply",
        [
            "xerpium manifest apply manifest.json --service order-service --release 1.4.2",
            "xerpium manifest apply order_service.main:service --yes",
        ],
        about,
    )
    apply.add_argument("-y", "--yes", action="store_true", help="do not ask")
    apply.add_argument("--confirm-prune", action="store_true", help="it is meant that more than half goes")
    for command in (diff, apply):
        command.add_argument("file", metavar="FILE", help="the manifest")
        command.add_argument(
            "--service", metavar="NAME", help="whose it is; default: as FILE or XERPIUM_SERVICE_NAME says"
        )
        command.add_argument("--release", metavar="VERSION", help="the service's version, where the manifest has none")
        command.add_argument("--company", type=_number, metavar="N", help="the company that it is declared in")


def _doctor(commands: Commands) -> None:
    command = _command(
        commands,
        "doctor",
        "check a service's set-up step by step, and say what to mend",
        "_doctor:doctor",
        ["xerpium doctor", "xerpium doctor order-service --manifest manifest.json", "xerpium doctor --json"],
        "Run it where the service runs, with its environment. It changes nothing, and works when half of it is\n"
        "missing. It ends with the number of things that are wrong.",
    )
    command.add_argument("name", nargs="?", metavar="NAME", help="the service; default: XERPIUM_SERVICE_NAME")
    command.add_argument(
        "--manifest", metavar="FILE", help="have the hub try this one; as xerpium manifest diff takes it"
    )
    command.add_argument("--company", type=_number, metavar="N", help="ask for a token for this company")


def _completion(commands: Commands) -> None:
    command = _command(
        commands,
        "completion",
        "print what makes a shell complete this command",
        "_completion:completion",
        [
            "source <(xerpium completion bash)",
            "xerpium completion zsh > ~/.zfunc/_xerpium",
            "xerpium completion fish > ~/.config/fish/completions/xerpium.fish",
        ],
        asks_hub=False,
    )
    command.add_argument("shell", choices=SHELLS, help="which one")


def _group(commands: Commands, name: str, words: str) -> Commands:
    group = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", formatter_class=RawDescriptionHelpFormatter
    )
    group.set_defaults(shown=group)
    return group.add_subparsers(title="commands", metavar="COMMAND")


def _command(
    commands: Commands,
    name: str,
    words: str,
    run: str,
    examples: Sequence[str],
    more: str = "",
    *,
    asks_hub: bool = True,
) -> _Parser:
    """Add a command that is run by ``run``: a module of this package, and a function in it."""
    about = f"{words[0].upper()}{words[1:]}."
    command = commands.add_parser(
        name,
        help=words,
        description=f"{about}\n\n{more}" if more else about,
        epilog="\n".join(["examples:", *(f"  {example}" for example in examples)]),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=run, shown=command)
    if asks_hub:
        command.add_argument("--hub", metavar="URL", default=SUPPRESS, help="the hub; default: XERPIUM_HUB_URL")
        command.add_argument("--json", action="store_true", default=SUPPRESS, help="for programs")
        command.add_argument(
            "-v", "--verbose", action="store_true", default=SUPPRESS, help="show what goes on, and defects whole"
        )
    return command


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise ValueError(text)
    return seconds


# In "invalid number value: 'x'" argparse names the function.
_number.__name__, _seconds.__name__ = "number", "time"
