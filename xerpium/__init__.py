"""Wiring only: settings, addresses, and the applications that servers and workers load."""

from xerpium.celery import app as celery_app

__all__ = ["celery_app"]
