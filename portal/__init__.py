"""The server: settings, processes, local database, and the two kits every app builds on."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
