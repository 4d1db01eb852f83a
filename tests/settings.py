"""The settings of the test run: the real ones in their development profile, with cheap password hashes."""

import os

os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("HUB_OPEN", "1")

from xerpium.settings import *  # noqa: F403

if TESTING:  # noqa: F405  # and no process that a test has started, which is the hub's
    DATABASES = {"default": database_from_url(DATABASE_MIGRATION_URL)}  # noqa: F405
    LOGGING["root"]["handlers"] = []  # noqa: F405  # pytest keeps what is logged; a second copy is for nobody
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["*"]
# The hub does not need the SDK's app for Django services; its tests do.
INSTALLED_APPS = [*INSTALLED_APPS, "xerpium_sdk.django"]  # noqa: F405
XERPIUM_SERVICE_NAME = "test-service"
# Each client of a test has a handler of its own, and listing all static files for it takes longer than most tests.
WHITENOISE_AUTOREFRESH = True
