"""Tables: columns as wide as what stands in them, and no wider than the terminal. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from xerpium_sdk.cli._ink import Inked, Piece, clean, cut, wide

__all__ = ["table"]

GAP = "  "
NARROWEST = 8


def table(header: Sequence[str], rows: Iterable[Sequence[Piece]], *, width: int | None = None) -> Iterator[list[Piece]]:
    """Yield the lines of a table, each in pieces.

    Columns in which nothing stands are left out. Where ``width`` says how many cells a terminal has, there is a rule
    below the header, and the widest columns are cut until all fit; without it nothing is lost, for other programs.
    """
    cells = [[_cleaned(piece) for piece in row] for row in rows]
    kept = [index for index in range(len(header)) if any(_text(row[index]) for row in cells)]
    cells = [[row[index] for index in kept] for row in cells]
    names = [header[index] for index in kept]
    if not names:
        return
    widths = [max(wide(name), *(wide(_text(row[column])) for row in cells)) for column, name in enumerate(names)]
    if width is not None:
        widths = _fitted(widths, width)
    yield _line([Inked(name, "bold") for name in names], widths)
    if width is not None:
        yield [Inked("─" * min(width, sum(widths) + len(GAP) * (len(widths) - 1)), "dim")]
    for row in cells:
        yield _line(row, widths)


def _fitted(widths: list[int], most: int) -> list[int]:
    """Return widths that fit into ``most`` cells: the widest give way first, none becomes too narrow to read."""
    fitted = list(widths)
    while sum(fitted) + len(GAP) * (len(fitted) - 1) > most:
        widest = max(range(len(fitted)), key=fitted.__getitem__)
        if fitted[widest] <= NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def _line(row: Sequence[Piece], widths: Sequence[int]) -> list[Piece]:
    line: list[Piece] = []
    for piece, cells in zip(row, widths, strict=True):
        shown = cut(piece, cells)
        line += [shown, " " * (cells - wide(_text(shown))) + GAP]
    return line[:-1]  # nothing after the last column


def _text(piece: Piece) -> str:
    return piece if isinstance(piece, str) else piece.text


def _cleaned(piece: Piece) -> Piece:
    return clean(piece) if isinstance(piece, str) else Inked(clean(piece.text), piece.ink)
