"""Menus in the operator's admin: the tree that is arranged, what waits for a decision, what is amiss."""

from apps.menus.admin import items

__all__ = ["items"]
