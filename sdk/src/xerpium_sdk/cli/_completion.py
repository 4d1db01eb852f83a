"""``xerpium completion``: what makes a shell complete the command, made from the parser itself. Pure but for its end.

Its own generator: the tree is small, and a library for it would be the only thing that the command needs.
"""

from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xerpium_sdk.cli._screen import Screen

__all__ = ["Node", "bash", "completion", "fish", "nodes", "zsh"]

FILES = ("FILE",)
"""What stands for a file in the help."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its names, what it is for, and whether a value follows, of these or a file."""

    names: tuple[str, ...]
    words: str
    takes_value: bool
    choices: tuple[str, ...]
    is_file: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A command: how it is reached, the commands below it with their words, its options, what else it takes."""

    path: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    choices: tuple[str, ...]
    takes_file: bool


def completion(asked: Namespace, screen: "Screen") -> int:
    """Print the completion of a shell."""
    from xerpium_sdk.cli._parser import parser

    made = {"bash": bash, "zsh": zsh, "fish": fish}[asked.shell](list(nodes(parser())))
    screen.text(made)
    return 0


def nodes(parser: ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Node]:
    """Yield the command and all that are below it."""
    below: dict[str, ArgumentParser] = {}
    commands: list[tuple[str, str]] = []
    options: list[Option] = []
    choices: tuple[str, ...] = ()
    takes_file = False
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            below = dict(action.choices)
            commands = [(one.dest, one.help or "") for one in action._get_subactions()]
        elif action.option_strings:
            options.append(_option(action))
        else:
            choices += tuple(map(str, action.choices or ()))
            takes_file = takes_file or action.metavar in FILES
    yield Node(path, tuple(commands), tuple(options), choices, takes_file)
    for name, command in below.items():
        yield from nodes(command, (*path, name))


def bash(tree: list[Node]) -> str:
    """Return a completion for bash, from 3.2 on."""
    cases = "\n".join(_bash_case(node) for node in tree)
    values = "\n".join(_bash_values(tree))
    return f"""\
# Completion of xerpium for bash: source <(xerpium completion bash)
_xerpium() {{
    local word before path i
    word="${{COMP_WORDS[COMP_CWORD]}}"
    before="${{COMP_WORDS[COMP_CWORD-1]}}"
    path=""
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${{COMP_WORDS[i]}}" in
            {" | ".join(f'" {" ".join(node.path)}"' for node in tree if node.path)})
                path="$path ${{COMP_WORDS[i]}}" ;;
        esac
    done
    COMPREPLY=()
    case "$path:$before" in
{values}
    esac
    case "$path" in
{cases}
    esac
}}
complete -F _xerpium xerpium"""


def zsh(tree: list[Node]) -> str:
    """Return a completion for zsh."""
    paths = " | ".join(f'" {" ".join(node.path)}"' for node in tree if node.path)
    values = "\n".join(_zsh_values(tree))
    cases = "\n".join(_zsh_case(node) for node in tree)
    return f"""\
#compdef xerpium
# Completion of xerpium for zsh: put it as _xerpium where $fpath looks, or source it after compinit.
_xerpium() {{
    local at="" i
    local -a found
    for ((i = 2; i < CURRENT; i++)); do
        case "$at ${{words[i]}}" in
            ({paths}) at="$at ${{words[i]}}" ;;
        esac
    done
    case "$at:${{words[CURRENT-1]}}" in
{values}
    esac
    case "$at" in
{cases}
    esac
}}
if [[ "${{funcstack[1]}}" == _xerpium ]]; then
    _xerpium "$@"
else
    compdef _xerpium xerpium
fi"""


def fish(tree: list[Node]) -> str:
    """Return a completion for fish."""
    paths = " ".join(quote(" ".join(node.path)) for node in tree if node.path)
    lines = ["# Completion of xerpium for fish.", _FISH_PATH.format(paths)]
    for node in tree:
        where = f"-n {quote(' '.join(('__xerpium_at', *node.path)))}"
        if not node.takes_file:
            lines.append(f"complete -c xerpium {where} -f")
        lines += [f"complete -c xerpium {where} -a {name} -d {quote(words)}" for name, words in node.commands]
        if node.choices:
            lines.append(f"complete -c xerpium {where} -a {quote(' '.join(node.choices))}")
        for option in node.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = ""
            if option.takes_value:
                value = " -r" if option.is_file else " -x"
            if option.choices:
                value += f" -a {quote(' '.join(option.choices))}"
            lines.append(f"complete -c xerpium {where} {names}{value} -d {quote(option.words)}")
    return "\n".join(lines)


_FISH_PATH = """\
function __xerpium_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        contains -- (string trim "$at $word") {}
        and set at (string trim "$at $word")
    end
    test "$argv" = "$at"
end"""


def _option(action: Action) -> Option:
    takes_value = action.nargs != 0
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    choices = tuple(map(str, action.choices or ()))
    words = (action.help or "").replace("%(default)s", str(action.default))
    return Option(tuple(action.option_strings), words, takes_value, choices, takes_value and metavar in FILES)


def _bash_case(node: Node) -> str:
    words = [name for name, _ in node.commands] + list(node.choices)
    options = [name for option in node.options for name in option.names]
    lines = [f"        {_bash_path(node)})"]
    lines.append('            if [[ "$word" == -* ]]; then')
    lines.append(f'                COMPREPLY=($(compgen -W {quote(" ".join(options))} -- "$word"))')
    if words:
        lines.append("            else")
        lines.append(f'                COMPREPLY=($(compgen -W {quote(" ".join(words))} -- "$word"))')
    elif node.takes_file:
        lines.append("            else")
        lines.append('                COMPREPLY=($(compgen -f -- "$word"))')
    lines.append("            fi ;;")
    return "\n".join(lines)


def _bash_values(tree: list[Node]) -> Iterator[str]:
    """Yield what follows an option that wants a value."""
    for node in tree:
        for option in node.options:
            if option.takes_value:
                pattern = " | ".join(f'"{_spaced(node)}:{name}"' for name in option.names)
                if option.choices:
                    reply = f'COMPREPLY=($(compgen -W {quote(" ".join(option.choices))} -- "$word")); return'
                elif option.is_file:
                    reply = 'COMPREPLY=($(compgen -f -- "$word")); return'
                else:
                    reply = "return"
                yield f"        {pattern}) {reply} ;;"


def _bash_path(node: Node) -> str:
    return f'"{_spaced(node)}"'


def _spaced(node: Node) -> str:
    return "".join(f" {name}" for name in node.path)


def _zsh_values(tree: list[Node]) -> Iterator[str]:
    """Yield what follows an option that wants a value."""
    for node in tree:
        for option in node.options:
            if option.takes_value:
                pattern = " | ".join(f'"{_spaced(node)}:{name}"' for name in option.names)
                done = f"compadd -- {' '.join(option.choices)}" if option.choices else "_message value"
                yield f"        ({pattern}) {'_files' if option.is_file else done}; return ;;"


def _zsh_case(node: Node) -> str:
    options = " ".join(quote(f"{name}:{_zsh_words(one.words)}") for one in node.options for name in one.names)
    if node.commands:
        found = " ".join(quote(f"{name}:{_zsh_words(words)}") for name, words in node.commands)
        rest = f"found=({found}); _describe command found"
    elif node.choices:
        rest = f"compadd -- {' '.join(node.choices)}"
    else:
        rest = "_files" if node.takes_file else "_message argument"
    return f"""\
        ({_bash_path(node)})
            if [[ "${{words[CURRENT]}}" == -* ]]; then
                found=({options})
                _describe -o option found
            else
                {rest}
            fi ;;"""


def _zsh_words(words: str) -> str:
    return words.replace(":", "\\:")
