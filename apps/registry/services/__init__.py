"""Every write of the registry. Views, the admin, commands and tasks call these and nothing below them."""
