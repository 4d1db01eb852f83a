"""Django as a WSGI application: everything but the hot routes, which ``xerpium.asgi`` answers before Django."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from apps.core.postgres.refusing import refuse_unfit_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

application = get_wsgi_application()

if not settings.TESTING:
    refuse_unfit_role()
