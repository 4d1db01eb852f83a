"""Every read of menus that others may use."""
