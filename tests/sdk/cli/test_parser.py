"""What can be asked for, and that shells complete all of it."""

import re
import shlex
import shutil
import subprocess
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import pytest

from xerpium_sdk.cli import main
from xerpium_sdk.cli._completion import Node, bash, fish, nodes, zsh
from xerpium_sdk.cli._parser import SHELLS, parser

TREE = list(nodes(parser()))
COMMANDS = [node for node in TREE if not node.commands]


def parser_of(node: Node) -> ArgumentParser:
    found: ArgumentParser = parser()
    for name in node.path:
        actions = [action for action in found._actions if isinstance(action.choices, dict)]
        found = actions[0].choices[name]  # type: ignore[index]
    return found


def examples(node: Node) -> list[str]:
    return re.findall(r"(?m)^  (?:source <\()?(xerpium .*?)(?:\)$| \| | > |$)", parser_of(node).epilog or "")


@pytest.mark.parametrize("node", COMMANDS, ids=lambda node: " ".join(node.path))
def test_each_command_has_help_with_examples_that_are_right(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*node.path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    found = examples(node)
    assert found
    for example in found:
        asked = parser().parse_args(shlex.split(example)[1:])
        module, _, function = asked.run.partition(":")
        assert callable(getattr(import_module(f"xerpium_sdk.cli.{module}"), function))
    assert all(option.words for option in node.options)
    if node.path != ("completion",):
        assert {"--hub", "--json", "--help"} <= {name for option in node.options for name in option.names}


def test_the_help_of_everything_names_settings_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for words in ("XERPIUM_HUB_URL", "NO_COLOR", "exit codes", "did not answer", *(node.path[0] for node in COMMANDS)):
        assert words in shown


@pytest.mark.parametrize("arguments", [[], ["events"], ["manifest"]], ids=["nothing", "events", "manifest"])
def test_without_a_command_there_is_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: " + " ".join(["xerpium", *arguments]) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words", "command"),
    [
        (["evnts"], "invalid choice: 'evnts'", "xerpium"),
        (["services", "--stat", "healthy"], "--stat", "xerpium services"),
        (["services", "--company", "x"], "invalid number value: 'x'", "xerpium services"),
        (["call", "x", "y", "--timeout", "0"], "invalid time value: '0'", "xerpium call"),
        (["events", "replay"], "ID", "xerpium events replay"),
    ],
    ids=["command", "abbreviation", "number", "time", "missing"],
)
def test_slips_are_told_in_two_lines(
    arguments: list[str], words: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith(f"{command}: ")
    assert words in first
    assert second == f"See {command} --help."


def completed_by_bash(line: list[str]) -> list[str]:
    script = bash(TREE) + '\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xerpium; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, "bash", *line], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def completed_by_fish(line: list[str]) -> list[str]:
    script = f"{fish(TREE)}\ncomplete -C {shlex.quote(' '.join(line))}"
    done = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [found.partition("\t")[0] for found in done.stdout.splitlines()]


def completed_by_zsh(line: list[str]) -> list[str]:
    """Return what the function offers; what zsh itself would do with it is told by functions in its place."""
    stand_ins = """
compdef() { }
compadd() { shift; print -l -- "$@" }
_files() { print -l -- *(N) }
_message() { }
_describe() { local name="${@[-1]}" one; for one in "${(@P)name}"; do print -r -- "${one%%:*}"; done }
"""
    words = " ".join(map(shlex.quote, line))
    script = f"{stand_ins}\n{zsh(TREE)}\nwords=({words}); CURRENT={len(line)}; _xerpium"
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


COMPLETED = {"bash": completed_by_bash, "fish": completed_by_fish, "zsh": completed_by_zsh}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_options_and_values(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    (tmp_path / "menus.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    complete = COMPLETED[shell]
    assert set(complete(["xerpium", ""])) == {node.path[0] for node in COMMANDS}
    assert set(complete(["xerpium", "events", ""])) == {"tail", "publish", "dead", "replay"}
    assert {"--verdict", "--since", "--json"} <= set(complete(["xerpium", "events", "tail", "--"]))
    assert "mismatch" in complete(["xerpium", "events", "tail", "--verdict", ""])
    assert {"healthy", "stale"} <= set(complete(["xerpium", "services", "--json", "--status", ""]))
    assert set(complete(["xerpium", "completion", ""])) == set(SHELLS)
    assert "menus.json" in complete(["xerpium", "manifest", "diff", ""])
    assert "menus.json" in complete(["xerpium", "doctor", "--manifest", ""])


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_each_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for node in TREE:
        assert all(name in text for name, _ in node.commands)
        names = {name.lstrip("-") for option in node.options for name in option.names}
        assert all(name in text for name in names)
