"""Where a person is reached besides the telephone: WeCom and DingTalk ids, e-mail. Sealed like telephone numbers."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Address(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notice_addresses")
    channel = models.CharField(max_length=20)
    cipher = models.TextField(help_text="sealed by city.crypto under notify:USER:CHANNEL")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "channel"], name="address_once")]
