"""A clock order (停表令): one signed row that stops the clocks of an area and its classes for a time."""

from django.conf import settings
from django.db import models


class ClockOrder(models.Model):
    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    document_number = models.CharField(max_length=80)
    signatory = models.CharField(max_length=80)
    reason = models.TextField(default="")
    division_prefixes = models.JSONField(default=list, help_text="codes; empty: the whole platform")
    class_prefixes = models.JSONField(default=list, help_text="kind:code prefixes; empty: all classes")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    cancelled = models.BooleanField(default=False)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["platform", "document_number"], name="clock_order_number_once"),
        ]
