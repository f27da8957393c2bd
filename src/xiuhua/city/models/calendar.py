"""Notices that change the work calendar: listed days of a year, or office hours. Only ever added.

The id of a notice is a version of the calendar: a deadline of the past can be counted again as it was.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class AppendOnlyError(TypeError):
    """A notice was to be changed or deleted; load a new one instead."""


class AppendOnly(models.Model):
    """Rows that are added and never changed: a correction is a newer row."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{self._meta.verbose_name} {self.pk} stands; load a newer one")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyError(f"{self._meta.verbose_name} {self.pk} stands; load a newer one")


class CalendarNotice(AppendOnly):
    """One loaded notice. `days` is a list of [date, kind off|work, name], sorted by date."""

    class Kind(models.TextChoices):
        DAYS = "days", _("days off and swapped working days")
        HOURS = "hours", _("office hours")

    class Status(models.TextChoices):
        ANNOUNCED = "announced", _("announced")
        ASSUMED = "assumed", _("assumed")

    platform = models.ForeignKey(
        "city.Platform", models.PROTECT, null=True, blank=True, verbose_name=_("platform"), related_name="+"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.DAYS)
    year = models.PositiveSmallIntegerField(_("year"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.ANNOUNCED)
    days = models.JSONField(_("days"), default=list, blank=True)
    valid_from = models.DateField(_("in force from"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=300, blank=True)
    loaded_at = models.DateTimeField(_("loaded at"), auto_now_add=True)

    class Meta:
        verbose_name = _("calendar notice")
        verbose_name_plural = _("calendar notices")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="hours", year__isnull=True) | models.Q(kind="days", year__isnull=False),
                name="calendar_notice_days_have_a_year",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.year or self.valid_from or ''}".strip()


class OfficeHours(AppendOnly):
    """One season of a notice of office hours: "05-01" to "09-30" with slots [["08:00", "12:00"], ...]."""

    notice = models.ForeignKey(CalendarNotice, models.PROTECT, verbose_name=_("notice"), related_name="hours")
    from_md = models.CharField(_("from"), max_length=5)
    to_md = models.CharField(_("to"), max_length=5)
    slots = models.JSONField(_("office hours"))

    class Meta:
        verbose_name = _("office hours")
        verbose_name_plural = _("office hours")
        constraints = [models.UniqueConstraint(fields=["notice", "from_md"], name="office_hours_season")]

    def __str__(self) -> str:
        return f"{self.from_md} – {self.to_md}"
