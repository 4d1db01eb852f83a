"""Every read of the UI registry that others may ask for."""
