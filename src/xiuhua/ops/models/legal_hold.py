"""A legal hold: nothing of a case and its family is erased while one stands."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class LegalHold(models.Model):
    """``case`` is the case that was reported first; a hold covers all that was made of it."""

    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    case = models.ForeignKey("casework.Case", models.PROTECT, related_name="+")
    document_number = models.CharField(max_length=80)
    reason = models.CharField(max_length=300)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(lifted_by__isnull=True) | ~Q(lifted_by=F("set_by")), name="hold_lifted_by_another"
            ),
        ]
        indexes = [
            models.Index(fields=["case"], name="hold_standing", condition=Q(lifted_at__isnull=True)),
            models.Index(fields=["platform", "id"], name="hold_platform"),
        ]
