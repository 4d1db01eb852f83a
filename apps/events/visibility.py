"""Whose rows a caller may see: global ones and those of its companies (contract, "Companies"). Pure."""

from typing import Literal

__all__ = ["Companies", "visible"]

Companies = Literal["*"] | frozenset[int]
"""The companies that a caller acts for; ``"*"`` is all of them."""


def visible(company_id: int | None, companies: Companies) -> bool:
    """Whether a row of ``company_id`` is in sight of somebody who acts for ``companies``."""
    return companies == "*" or company_id is None or company_id in companies
