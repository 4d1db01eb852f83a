"""Every write of the UI registry that others may ask for."""
