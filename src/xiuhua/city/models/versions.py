"""TableVersion: the number that every in-memory table compares (`xiuhua.city.memory`)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class TableVersion(models.Model):
    """Version of one in-memory table, raised by `memory.bump` in the transaction that changes its rows."""

    name = models.CharField(_("table"), max_length=40, primary_key=True)
    version = models.PositiveBigIntegerField(_("version"), default=0)

    class Meta:
        verbose_name = _("table version")
        verbose_name_plural = _("table versions")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
