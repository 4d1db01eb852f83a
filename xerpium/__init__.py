"""Wiring only: settings, addresses, and the applications that servers and workers load."""
