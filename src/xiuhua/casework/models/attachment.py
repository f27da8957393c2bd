"""A file of a case: bytes are content-addressed in the file store, this row says whose they are."""

from django.conf import settings
from django.db import models

from xiuhua.casework.ids import new_id


class Attachment(models.Model):
    id = models.BigIntegerField(primary_key=True, default=new_id)
    sha256 = models.CharField(max_length=64, db_index=True)
    media_type = models.CharField(max_length=60)
    size = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    name = models.CharField(max_length=200, default="")
    stage = models.CharField(max_length=40, default="")
    taken_at = models.DateTimeField(null=True)
    lon_e7 = models.IntegerField(null=True)
    lat_e7 = models.IntegerField(null=True)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    uploaded_at = models.DateTimeField()
    case = models.ForeignKey("casework.Case", models.PROTECT, null=True, related_name="attachments")
    event = models.ForeignKey("casework.Event", models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["case", "id"], name="attachment_case")]
