"""Write docs/reference from the SDK's docstrings: ``python tools/reference.py``; ``--check`` fails when it is stale.

Only the text of the modules is read, nothing is imported: so no extra has to be installed, and the pages are the same
whatever there is. What is described is what ``__all__`` names; what a docstring says stands there as it is.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from inspect import cleandoc
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "sdk/src"
OUT = ROOT / "docs/reference"
PAGES = {
    "service": ["service", "django.service"],
    "registry": ["registry", "errors"],
    "calls": ["calls", "calls.prometheus", "calls.ambient", "calls.asgi", "calls.wsgi", "passing"],
    "resilience": ["resilience", "resilience.shared"],
    "health": ["health", "health.checks", "health.fastapi", "django.health"],
    "events": ["events", "connections"],
    "auth": ["auth", "auth.fastapi", "auth.gate", "auth.middleware", "django.auth"],
    "ui": ["ui"],
    "frameworks": ["fastapi", "django", "django.passing"],
    "testing": ["testing"],
    "wire": ["wire.registry", "wire.envelope", "wire.cloudevents", "wire.problems", "wire.versions", "wire.times"],
}
"""The pages, and the modules below `xerpium_sdk` that each is of."""
WIDE = 100
SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):(?: (.*))?")
ENTRY = re.compile(r"(\*{0,2}[A-Za-z_][\w.]*(?:, \*{0,2}[A-Za-z_][\w.]*)*): (.*)")
HEADER = "<!-- Written by tools/reference.py from the docstrings of the SDK; change those. -->\n"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Found:
    """Where a name is defined: the module, the statement, and the ``words`` behind it, if it is a value."""

    module: str
    name: str
    node: ast.stmt
    words: str = ""


@dataclass
class Page:
    """Text that grows, and the names that it describes."""

    title: str
    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        """Add a paragraph."""
        self.lines += [*lines, ""]

    def text(self) -> str:
        """Return the page as it is written."""
        return HEADER + "\n".join(self.lines).rstrip() + "\n"


def main() -> int:
    """Write the pages, or compare them, and return the exit status."""
    wanted = {OUT / f"{name}.md": text for name, text in pages().items()}
    there = {path: path.read_text(encoding="utf-8") for path in OUT.glob("*.md")} if OUT.is_dir() else {}
    stale = sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the docstrings say; run `make reference`.", file=sys.stderr)
        return 1 if stale else 0
    OUT.mkdir(parents=True, exist_ok=True)
    for path in stale:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 0


def pages() -> dict[str, str]:
    """Return the text of every page, by its name."""
    made = {name: page(name, modules) for name, modules in PAGES.items()}
    return {name: one.text() for name, one in made.items()} | {"README": index(made)}


def index(made: dict[str, Page]) -> str:
    """Return the page that leads to the others."""
    homes = {name: page for page, one in reversed(made.items()) for name in one.names}
    front = Page("")
    front.add("# The SDK's public names")
    front.add(
        "What stands here is what the rules of versions in [its changes](../../sdk/CHANGELOG.md) are about.",
        "How the parts are used: [The SDK](../../sdk/README.md), [its front door](../sdk.md).",
    )
    front.add("| page | modules | names |", "|---|---|---|", *(_row(name, one) for name, one in made.items()))
    front.add("## From `xerpium_sdk` itself")
    listed = (name for name in public("xerpium_sdk") if name in homes)
    front.add(", ".join(f"[`{name}`]({homes[name]}.md#{anchor(name)})" for name in listed))
    return front.text()


def _row(name: str, made: Page) -> str:
    modules = ", ".join(f"`xerpium_sdk.{module}`" for module in PAGES[name])
    return f"| [{name}]({name}.md) | {modules} | {', '.join(f'`{each}`' for each in made.names)} |"


def page(name: str, modules: list[str]) -> Page:
    """Return the page ``name``, of some modules."""
    made = Page(name)
    made.add(f"# Reference: {name}")
    for module in (f"xerpium_sdk.{each}" for each in modules):
        made.add(f"## `{module}`")
        made.add(*prose(ast.get_docstring(tree(module)) or ""))
        for each in public(module):
            found = find(module, each)
            if found is None or each in made.names or each == "__version__":
                continue
            made.names.append(each)
            describe(made, each, found, twin=f"Async{each}" if f"Async{each}" in public(module) else "")
    return made


@cache
def tree(module: str) -> ast.Module:
    """Return the text of a module as a tree."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def path_of(module: str) -> Path:
    """Return where a module is."""
    base = SOURCE / Path(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def public(module: str) -> list[str]:
    """Return the names of a module's ``__all__``."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == ["__all__"]:
            return [str(name) for name in ast.literal_eval(node.value)]
    raise ValueError(f"{module} does not say what of it is public")


@cache
def find(module: str, name: str) -> Found | None:
    """Return where ``name`` of ``module`` is defined; None: outside of the SDK."""
    body = list(statements(tree(module).body))
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | Function) and node.name == name and not is_overload(node):
            return Found(module, name, node)
        if name in assigned(node):
            words = cleandoc(after.value.value) if is_text(after) else ""  # type: ignore[union-attr]
            return Found(module, name, node, words)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xerpium_sdk"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(node.module or "", alias.name)
    return None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those within ``if TYPE_CHECKING`` and ``try`` as well."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from statements(node.body)


def assigned(node: ast.stmt) -> list[str]:
    """Return the names to which a statement gives a value."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else []


def describe(made: Page, name: str, found: Found, *, twin: str) -> None:
    """Describe one name; ``twin`` is the same for event loops, where that is described."""
    made.add(f"### {name}")
    node = found.node
    if isinstance(node, ast.ClassDef):
        describe_class(made, name, found, node, twin)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        made.add("```python", *signatures(node, siblings(found.module, node), name), "```")
        made.add(*prose(ast.get_docstring(node) or ""))
    else:
        made.add("```python", ast.unparse(node), "```")
        if found.words:
            made.add(*prose(found.words))


def describe_class(made: Page, name: str, found: Found, node: ast.ClassDef, twin: str) -> None:
    """Describe a class with what is public of it."""
    made.add("```python", *made_by(found, node, name), "```")
    made.add(*prose(ast.get_docstring(node) or ""))
    if twin and "._sync." in found.module:
        made.add(f"It has what [`{twin}`](#{anchor(twin)}) has, without `async` and `await`; `aclose` is `close`.")
        return
    values: dict[str, tuple[str, str]] = {}
    for owner in lineage(found):
        for each, said, words in attributes(owner):
            values.setdefault(each, (said, words))
    if values:
        made.add("| attribute | |", "|---|---|", *(f"| `{said}` | {words} |" for said, words in values.values()))
    seen = set(values)
    for owner in lineage(found):
        for method in methods(owner):
            if method.name not in seen:
                seen.add(method.name)
                assert isinstance(owner.node, ast.ClassDef)
                made.add("```python", *signatures(method, owner.node.body, f"{name}.{method.name}"), "```")
                made.add(*prose(ast.get_docstring(method) or ""))


def lineage(found: Found) -> list[Found]:
    """Return a class and those of its bases that are the SDK's, nearest first."""
    assert isinstance(found.node, ast.ClassDef)
    bases = (find(found.module, base.id) for base in map(bare, found.node.bases) if isinstance(base, ast.Name))
    return [found, *(one for base in bases if base and isinstance(base.node, ast.ClassDef) for one in lineage(base))]


def bare(base: ast.expr) -> ast.expr:
    """Return a base class without what it is made of: ``Generic`` of ``Generic[T]``."""
    return base.value if isinstance(base, ast.Subscript) else base


def made_by(found: Found, node: ast.ClassDef, name: str) -> list[str]:
    """Return how an object of a class is made, or that it is one of a few."""
    bases = [ast.unparse(base) for base in node.bases]
    if {"Enum", "StrEnum"} & set(bases):
        return [f"class {name}({', '.join(bases)})"]
    for owner in lineage(found):
        assert isinstance(owner.node, ast.ClassDef)
        for method in owner.node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                return call(f"class {name}", parameters(method.args, drop_first=True), "")
    if any("dataclass" in ast.unparse(one) for one in node.decorator_list):
        return call(f"class {name}", fields(found), "")
    return [f"class {name}({', '.join(bases)})" if bases else f"class {name}"]


def fields(found: Found) -> list[str]:
    """Return the fields of a dataclass as parameters."""
    said = []
    for owner in reversed(lineage(found)):
        assert isinstance(owner.node, ast.ClassDef)
        for node in owner.node.body:
            if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
                default = "" if node.value is None else f" = {default_of(node.value)}"
                said.append(f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}{default}")
    return said


def default_of(value: ast.expr) -> str:
    """Return the default of a field: that of ``field(default=…)`` too."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        named = {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords}
        return named.get("default") or {"dict": "{}", "list": "[]"}.get(named.get("default_factory", ""), "…")
    return ast.unparse(value)


def attributes(found: Found) -> Iterator[tuple[str, str, str]]:
    """Yield name, text and words of the attributes that have words of their own: values and properties."""
    assert isinstance(found.node, ast.ClassDef)
    enum = any(ast.unparse(base) in ("Enum", "StrEnum") for base in found.node.bases)
    bodies = [found.node.body]
    bodies += [one.body for one in found.node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    for body in bodies:
        for node, after in zip(body, [*body[1:], None], strict=True):
            name, said = value_of(node)
            if name and not name.startswith("_") and (enum or is_text(after)):
                words = one_line(after.value.value) if is_text(after) else ""  # type: ignore[union-attr]
                yield name, said, words
    for node in found.node.body:
        if isinstance(node, ast.FunctionDef) and is_property(node) and not node.name.startswith("_"):
            kind = f": {ast.unparse(node.returns)}" if node.returns else ""
            yield node.name, f"{node.name}{kind}".replace("|", "\\|"), one_line(ast.get_docstring(node) or "")


def value_of(node: ast.stmt) -> tuple[str, str]:
    """Return the name of an attribute that a statement sets, and how to show it."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or target is None:
        return "", ""
    name = ast.unparse(target).removeprefix("self.")
    if isinstance(node, ast.AnnAssign):
        return name, f"{name}: {ast.unparse(node.annotation)}".replace("|", "\\|")
    shown = f"{name} = {ast.unparse(node.value)}" if isinstance(node.value, ast.Constant) else name
    return name, shown


def methods(found: Found) -> Iterator[Function]:
    """Yield the public methods of a class that are no properties, and no further forms of one."""
    assert isinstance(found.node, ast.ClassDef)
    for node in found.node.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            dunder = node.name in ("__call__", "__contains__", "__len__", "__iter__")
            if (dunder or not node.name.startswith("_")) and not is_property(node) and not is_overload(node):
                yield node


def siblings(module: str, node: ast.stmt) -> list[ast.stmt]:
    """Return the statements among which a function stands."""
    return tree(module).body


def signatures(node: Function, around: list[ast.stmt], name: str) -> list[str]:
    """Return how a function is called, in each of its forms."""
    forms = [one for one in around if isinstance(one, Function) and one.name == node.name and is_overload(one)]
    return [line for one in forms or [node] for line in signature(one, name)]


def signature(node: Function, name: str) -> list[str]:
    """Return how a function is called."""
    decorators = {ast.unparse(one) for one in node.decorator_list}
    is_method = "." in name and "staticmethod" not in decorators
    prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    lines = call(f"{prefix} {name}", parameters(node.args, drop_first=is_method), returns)
    shown = sorted(decorators & {"classmethod", "staticmethod", "contextmanager", "asynccontextmanager"})
    return [*(f"@{one}" for one in shown), *lines]


def parameters(args: ast.arguments, *, drop_first: bool) -> list[str]:
    """Return the parameters of a function, each with its kind and its default."""
    placed = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(placed) - len(args.defaults)) + list(args.defaults)
    said = [parameter(one, default) for one, default in zip(placed, defaults, strict=True)]
    if args.posonlyargs:
        said.insert(len(args.posonlyargs), "/")
    if args.vararg:
        said.append(f"*{parameter(args.vararg, None)}")
    elif args.kwonlyargs:
        said.append("*")
    said += [parameter(one, default) for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        said.append(f"**{parameter(args.kwarg, None)}")
    return said[1:] if drop_first else said


def parameter(arg: ast.arg, default: ast.expr | None) -> str:
    """Return one parameter."""
    kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
    if default is None:
        return f"{arg.arg}{kind}"
    return f"{arg.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def call(name: str, said: list[str], returns: str) -> list[str]:
    """Return a call on one line, or on one line for each parameter."""
    line = f"{name}({', '.join(said)}){returns}"
    return [line] if len(line) <= WIDE else [f"{name}(", *(f"    {one}," for one in said), f"){returns}"]


def prose(docstring: str) -> list[str]:
    """Return a docstring as Markdown: sections become lists, examples become code."""
    lines: list[str] = []
    section, in_example, in_fence = "", False, False
    for line in docstring.splitlines():
        if line.startswith("```"):
            in_fence = not in_fence
        if in_example and not line.strip():
            lines, in_example = [*lines, "```"], False
        if in_fence or in_example:
            lines.append(line)
        elif line.startswith(">>>"):
            lines, in_example = [*lines, "```python", line], True
        elif head := SECTION.fullmatch(line):
            section = head[1]
            lines += [f"**{section.replace('Args', 'Arguments')}:** {head[2] or ''}".rstrip(), ""]
        elif section and line.startswith("    "):
            lines.append(listed(line[4:]))
        else:
            section = section if not line.strip() else ""
            lines.append(line)
    return [*lines, "```"] if in_example else lines


def listed(line: str) -> str:
    """Return a line of a section: the first one of an entry as one of a list."""
    if line.startswith(" "):
        return f"  {line.strip()}"
    entry = ENTRY.fullmatch(line)
    if entry is None:
        return line
    names = ", ".join(f"`{name}`" for name in entry[1].split(", "))
    return f"- {names}: {entry[2]}"


def one_line(text: str) -> str:
    """Return the first paragraph of a text for a cell of a table."""
    return " ".join(cleandoc(text).partition("\n\n")[0].split()).replace("|", "\\|")


def is_text(node: ast.stmt | None) -> bool:
    """Whether a statement is nothing but words about the one before."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_property(node: Function) -> bool:
    """Whether a method is read as an attribute."""
    return any(
        ast.unparse(one) in ("property", "cached_property") or "." in ast.unparse(one) for one in node.decorator_list
    )


def is_overload(node: ast.stmt) -> bool:
    """Whether a function is only a further form of the one that follows."""
    return any("overload" in ast.unparse(one) for one in getattr(node, "decorator_list", ()))


def anchor(name: str) -> str:
    """Return where on its page a name is."""
    return name.lower().strip("_")


if __name__ == "__main__":
    sys.exit(main())
