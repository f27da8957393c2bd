"""A one-time link: opens one case for one person without a log-in, for a few actions, until it ends."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from xiuhua.casework.ids import new_id


class Link(models.Model):
    """``token_digest`` is SHA-256 of the token, ``browser_digest`` of the secret of the browser that opened it first."""

    id = models.BigIntegerField(primary_key=True, default=new_id)
    case = models.ForeignKey("casework.Case", models.CASCADE, related_name="+")
    notice = models.ForeignKey("notify.Notice", models.CASCADE, related_name="links")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    actions = models.JSONField(default=list)
    token_digest = models.CharField(max_length=64, unique=True)
    browser_digest = models.CharField(max_length=64, default="")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="link_expires")]
