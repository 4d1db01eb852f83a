"""The REST routes of service authentication."""
