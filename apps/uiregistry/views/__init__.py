"""The views of the UI registry."""
