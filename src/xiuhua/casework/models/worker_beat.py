"""A sign of life of a worker: one row each, written every few seconds, gone when it stops in order."""

from django.db import models


class WorkerBeat(models.Model):
    name = models.CharField(max_length=60, unique=True, help_text="machine and process")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
