"""Companies as the hub knows them: by what others tell."""

from django.db import models

__all__ = ["Company"]


class Company(models.Model):
    """A company's name, learnt from events. Nothing refers to it: a company may be named before it is known."""

    id = models.BigIntegerField(primary_key=True, help_text="The number by which services name the company.")
    name = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)
    last_event_at = models.DateTimeField(
        help_text="Time of the event that the name is from; older ones change nothing."
    )

    class Meta:
        verbose_name_plural = "companies"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
