"""A filter of the case list kept under a name, for oneself or for all who hold a role on the platform."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class WorkList(models.Model):
    """``query``: filters of the list's address; search words are never kept, they may be somebody's name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    platform = models.ForeignKey("city.Platform", models.CASCADE, related_name="+")
    role = models.CharField(max_length=24, default="", help_text="shared with this role; empty = the owner's alone")
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="work_list_once")]
        indexes = [models.Index(fields=["platform", "role"], name="work_list_shared")]

    def __str__(self) -> str:
        return self.name
