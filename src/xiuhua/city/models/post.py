"""Posts and who sits in them. A post gives a role on one platform, for an organisation, over a division."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Post(models.Model):
    """A seat of work (岗位). Roles are product data (``data/roles.yaml``); ``role`` is their code."""

    code = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=60)
    name_en = models.CharField(max_length=80, blank=True)
    role = models.CharField(max_length=24)
    platform = models.ForeignKey("city.Platform", on_delete=models.PROTECT, related_name="posts")
    organisation = models.ForeignKey(
        "city.Organisation", null=True, blank=True, on_delete=models.PROTECT, related_name="posts"
    )
    division_prefix = models.CharField(max_length=12, blank=True)

    def __str__(self) -> str:
        return self.name


class Appointment(models.Model):
    """A person holds a post from the day ``since`` to the day ``until``, both included."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="appointments")
    post = models.ForeignKey(Post, on_delete=models.PROTECT, related_name="appointments")
    since = models.DateField()
    until = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "post", "since"], name="appointment_once"),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gte=models.F("since")),
                name="appointment_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.post_id}"
