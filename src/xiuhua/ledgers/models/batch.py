"""Batch: many rows changed at once, by a file or by hand, in one transaction, with the way back."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from xiuhua.casework.ids import new_id


class Batch(models.Model):
    """An import or a bulk edit. Of an import the file as it came is kept under its digest (`ledgers.store`)."""

    class Kind(models.TextChoices):
        IMPORT = "import", _("Import")
        BULK = "bulk", _("Bulk edit")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits to be checked")
        CHECKED = "checked", _("Checked")
        QUEUED = "queued", _("Waits to be imported")
        DONE = "done", _("Done")
        UNDOING = "undoing", _("Waits to be undone")
        REFUSED = "refused", _("Refused")
        UNDONE = "undone", _("Undone")

    id = models.BigIntegerField(primary_key=True, default=new_id)
    ledger = models.CharField(max_length=40)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=8, choices=Status.choices)
    platform = models.ForeignKey("city.Platform", models.PROTECT, null=True, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    scopes = models.JSONField(null=True, help_text="scopes of the token that sent it; null = all that the posts give")
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    file_name = models.CharField(max_length=200, default="")
    sha256 = models.CharField(max_length=64, default="")
    size = models.PositiveBigIntegerField(default=0)
    options = models.JSONField(default=dict, help_text="datum, encoding, mapping of columns, only the good rows")
    headers = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    report = models.CharField(max_length=64, default="", help_text="digest of the file of refused rows")
    error = models.JSONField(default=dict, help_text="why the whole file was refused, in both languages")

    class Meta:
        indexes = [models.Index(fields=["ledger", "id"], name="ledger_batch_ledger")]

    def __str__(self) -> str:
        return f"{self.ledger} {self.pk}"
