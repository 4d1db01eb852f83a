"""The settings of a small Django service; SERVICE_DATABASE is a file of SQLite, or the JSON of a DATABASES entry."""

import json
import os

_database = os.environ["SERVICE_DATABASE"]
DATABASES = {
    "default": json.loads(_database)
    if _database.startswith("{")
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": _database, "OPTIONS": {"timeout": 20}}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["xerpium_sdk.django"]
SECRET_KEY = "of a service that serves nobody"
USE_TZ = True
XERPIUM_SERVICE_NAME = "small-service"
