"""Printing: a table with ratios for people, the same as JSON lines for programs."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One thing measured.

    Attributes:
        name: what it is.
        value: the median over the rounds.
        unit: of ``value``.
        spread: lowest and highest round.
        note: what to know beside the number.
    """

    name: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Ratio:
    """One thing over another of the same run, with the figure that should be reached (None: only told)."""

    name: str
    value: float
    target: float | None = None
    at_most: bool = False
    stretch: float | None = None
    """What would be better still."""
    spread: tuple[float, float] | None = None
    """Lowest and highest round."""

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.target is None:
            return ""
        if self.stretch is not None and self._meets(self.stretch):
            return "reached, and the stretch"
        return "reached" if self._meets(self.target) else "not reached"

    def _meets(self, figure: float) -> bool:
        return self.value <= figure if self.at_most else self.value >= figure


@dataclass
class Reporter:
    """Collects rows and prints them."""

    as_json: bool
    printed: list[str] = field(default_factory=list)

    def machine(self) -> None:
        """Say what this ran on."""
        load = os.getloadavg()[0]
        about = {
            "machine": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": round(load, 2),
        }
        if self.as_json:
            self._json({"kind": "machine", **about})
        else:
            self._text("  ".join(f"{name}: {value}" for name, value in about.items()))

    def table(self, title: str, rows: Sequence[Row], ratios: Sequence[Ratio] = ()) -> None:
        """Print one measurement."""
        if self.as_json:
            for row in rows:
                self._json({"kind": "row", "measurement": title, **asdict(row)})
            for ratio in ratios:
                self._json({"kind": "ratio", "measurement": title, **asdict(ratio), "verdict": ratio.verdict})
            return
        self._text(f"\n{title}")
        width = max(map(len, [*(row.name for row in rows), *(ratio.name for ratio in ratios)]), default=0)
        for row in rows:
            spread = f"  [{_number(row.spread[0])} – {_number(row.spread[1])}]" if row.spread else ""
            self._text(f"  {row.name:<{width}}  {_number(row.value):>10} {row.unit}{spread}  {row.note}".rstrip())
        for ratio in ratios:
            spread = f"  [{_number(ratio.spread[0])} – {_number(ratio.spread[1])}]" if ratio.spread else ""
            self._text(f"  {ratio.name:<{width}}  {ratio.value:>10.2f}{spread}{_target(ratio)}")

    def _json(self, document: dict[str, object]) -> None:
        self._text(json.dumps(document, ensure_ascii=False))

    def _text(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def median_row(name: str, values: Sequence[float], unit: str, note: str = "") -> Row:
    """Return a row of the median of ``values`` with their spread."""
    return Row(name, statistics.median(values), unit, (min(values), max(values)), note)


def _target(ratio: Ratio) -> str:
    if ratio.target is None:
        return ""
    stretch = "" if ratio.stretch is None else f" (stretch {_number(ratio.stretch)})"
    return f"  target {'≤' if ratio.at_most else '≥'} {_number(ratio.target)}{stretch}: {ratio.verdict}"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
