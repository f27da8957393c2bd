"""SavedView: a filter that a person keeps, for himself or for everybody of a role."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """``query`` is the address' query of the list. With a ``role`` all who hold it on the platform see the view."""

    ledger = models.CharField(max_length=40)
    name = models.CharField(_("name"), max_length=40)
    query = models.CharField(max_length=1000)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    platform = models.ForeignKey("city.Platform", models.PROTECT, related_name="+")
    role = models.CharField(max_length=24, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ledger", "owner", "name"], name="ledger_view_once")]
        indexes = [models.Index(fields=["ledger", "platform", "role"], name="ledger_view_role")]

    def __str__(self) -> str:
        return self.name
