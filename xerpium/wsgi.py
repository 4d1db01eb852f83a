"""Django as a WSGI application: everything but the hot routes, which ``xerpium.asgi`` answers before Django."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

application = get_wsgi_application()

if not settings.TESTING:
    # It knows the models, which can be imported now.
    from apps.core.postgres.refusing import refuse_unfit_role

    refuse_unfit_role()
