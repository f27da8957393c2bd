"""A change of duty: what the one duty leaves to the next, and the two signatures."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class HandOver(models.Model):
    """One change of duty of a platform. ``content`` is frozen when the off-going duty signs; a digest holds it to the one before.

    ``content``: canonical JSON, numbers of cases and codes only. ``words``: what the off-going duty wrote, JSON of two texts;
    they may name people, so they stand apart under a salted digest and can be emptied.
    """

    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    moment = models.DateTimeField(help_text="when duty changes, by the platform's rules")
    change = models.CharField(max_length=40, help_text="code of the change in those rules")
    content = models.TextField()
    words = models.TextField(default="")
    salt = models.CharField(max_length=64)
    words_digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, default="")
    digest = models.CharField(max_length=64)
    off_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    off_at = models.DateTimeField()
    on_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    on_at = models.DateTimeField(null=True)
    on_digest = models.CharField(max_length=64, default="")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "moment"], name="hand_over_once", condition=Q(withdrawn_at__isnull=True)
            )
        ]
        indexes = [models.Index(fields=["platform", "-id"], name="hand_over_newest")]

    def __str__(self) -> str:
        return f"{self.platform_id} {self.moment.isoformat()}"
