"""What handlers do: a row for each time that an event had its effect. Nothing here keeps it from having two."""

from django.db import models


class Effect(models.Model):
    """An event had its effect."""

    event_id = models.TextField()

    def __str__(self) -> str:
        return self.event_id
