"""Duties: which organisation answers for a class of things in an area, and on what basis."""

from __future__ import annotations

from django.db import models


class Duty(models.Model):
    """A routing row. Empty ``scheme``, ``kind``, ``class_prefix`` or ``division_prefix`` match everything.

    Lower ``priority`` goes first among rows that are equally specific. ``valid_until`` is the last day.
    """

    platform = models.ForeignKey("city.Platform", on_delete=models.PROTECT, related_name="duties")
    scheme = models.CharField(max_length=16, blank=True)
    kind = models.CharField(max_length=9, blank=True)
    class_prefix = models.CharField(max_length=8, blank=True)
    division_prefix = models.CharField(max_length=12, blank=True)
    organisation = models.ForeignKey("city.Organisation", on_delete=models.PROTECT, related_name="duties")
    basis = models.CharField(max_length=200)
    basis_en = models.CharField(max_length=240, blank=True)
    priority = models.PositiveSmallIntegerField(default=100)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True)
    sample = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "platform",
                    "scheme",
                    "kind",
                    "class_prefix",
                    "division_prefix",
                    "organisation",
                    "valid_from",
                ],
                name="duty_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.class_prefix or '*'} @ {self.division_prefix or '*'}"
