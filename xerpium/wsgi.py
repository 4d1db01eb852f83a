"""Django as a WSGI application: everything but the hot routes, which ``xerpium.asgi`` answers before Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")

application = get_wsgi_application()
