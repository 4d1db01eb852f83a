"""Django's PostgreSQL backend, which tells PostgreSQL whose rows may be seen (`base`)."""
