"""The companies of the tests of isolation, and the text by which everything of each is known. No database here."""

ONE, TWO, THREE = 1, 2, 3
COMPANIES: tuple[int | None, ...] = (None, ONE, TWO, THREE)
_NAMES = {None: "common", ONE: "one", TWO: "two", THREE: "three"}


def word(company: int | None) -> str:
    """Return the word that everything of a company begins with."""
    return _NAMES[company]


def canary(company: int | None) -> str:
    """Return the text that stands in everything of a company, and may be seen by nobody of another."""
    return f"canary-of-{word(company)}-b7f3"
