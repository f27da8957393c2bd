"""A notice to one party about one event, who reads it, by which ways it went, and who rang."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from xiuhua.casework.ids import new_id


class Notice(models.Model):
    """One party told of one event under one rule. ``text`` is what was said, in both languages; erasure empties it.

    ``ring_at``: since when the dispatcher is to ring. ``received_how``: read, link, action, rung or deemed; moved: the case was handed over.
    """

    id = models.BigIntegerField(primary_key=True, default=new_id)
    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    case = models.ForeignKey("casework.Case", models.CASCADE, related_name="notices")
    rule = models.CharField(max_length=40)
    event = models.BigIntegerField(help_text="id of the event that it tells of")
    party = models.CharField(max_length=60, help_text="unit:3, person:7, reporter, channel:duty-group")
    organisation = models.ForeignKey("city.Organisation", models.PROTECT, null=True, related_name="+")
    text = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    wants_receipt = models.BooleanField(default=False)
    ring_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)
    received_how = models.CharField(max_length=12, default="")
    received_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "rule", "party"], name="notice_once")]
        indexes = [
            models.Index(fields=["case", "id"], name="notice_case"),
            models.Index(
                fields=["platform", "ring_at", "id"],
                name="notice_ring",
                condition=Q(ring_at__isnull=False, received_at__isnull=True),
            ),
        ]


class Reader(models.Model):
    """Somebody in whose list a notice stands, and when it was opened."""

    id = models.BigIntegerField(primary_key=True, default=new_id)
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="readers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "user"], name="reader_once")]
        indexes = [
            models.Index(fields=["user", "id"], name="reader_list"),
            models.Index(fields=["user", "id"], name="reader_unread", condition=Q(read_at__isnull=True)),
        ]


class Delivery(models.Model):
    """One way to one address: masked, with what the provider said. ``state``: sent, failed, no_address, not_needed."""

    id = models.BigIntegerField(primary_key=True, default=new_id)
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    step = models.PositiveSmallIntegerField()
    channel = models.CharField(max_length=20)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    target = models.CharField(max_length=80, default="", help_text="masked")
    state = models.CharField(max_length=12)
    error = models.CharField(max_length=200, default="")
    reference = models.CharField(max_length=200, default="", help_text="the provider's number")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "step", "user"], name="delivery_once", condition=Q(state="sent", user__isnull=False)
            )
        ]
        indexes = [models.Index(fields=["notice", "step"], name="delivery_notice")]


class Ring(models.Model):
    """One call by the dispatcher for a notice without receipt."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="rings")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    to = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    outcome = models.CharField(max_length=12)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["notice", "id"], name="ring_notice")]
