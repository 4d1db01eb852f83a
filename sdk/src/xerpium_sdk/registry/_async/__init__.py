"""The asyncio clients: the source from which `_sync` is generated."""
