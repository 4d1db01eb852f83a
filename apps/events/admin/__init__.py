"""The bus in the operator's admin: what travels, who reads it, what failed. Decisions call services."""

from apps.events.admin import deadletters, journal, outbox

__all__ = ["deadletters", "journal", "outbox"]
