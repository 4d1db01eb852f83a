"""Menus and UI with asyncio: the source from which `_sync` is generated."""
