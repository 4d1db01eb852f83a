"""Calling services with asyncio: the source from which `_sync` is generated."""
