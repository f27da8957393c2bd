"""Unit grids (单元网格) and responsibility grids (责任网格), which are sets of them; GB/T 47678.5.

Grids have history: nothing here is ever deleted. A grid that changes its shape is ended (``valid_to``) and
a new row with the same code begins; at any moment one code has at most one current row.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class GridKept(Exception):
    """Somebody tried to delete a grid; end it instead (``valid_to``)."""


class GridQuerySet(models.QuerySet[Any]):
    def current(self) -> GridQuerySet:
        """Rows without an end date: what stands now."""
        return self.filter(valid_to__isnull=True)

    def on(self, day: date) -> GridQuerySet:
        """Rows that stood on ``day`` (``valid_from`` inclusive, ``valid_to`` exclusive)."""
        return self.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=day), valid_from__lte=day)

    def end(self, day: date) -> int:
        """End the current rows of this set on ``day`` (never before they began); returns how many."""
        rows = self.current()
        early = rows.filter(valid_from__gt=day).update(valid_to=F("valid_from"))
        return early + rows.update(valid_to=day)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise GridKept("grids have history and are never deleted: set valid_to")


class UnitGrid(models.Model):
    """The smallest unit of supervision, about 10,000 m2, inside one community; WKB in CGCS2000 lon/lat.

    ``code`` is text read by ``code_scheme`` (`xiuhua.city.codes`): 15 digits in the national scheme, whose
    first 12 are ``community``. ``area_m2`` comes from the projected zone (EPSG:4547), not from degrees.
    """

    code = models.CharField(_("grid code"), max_length=20)
    code_scheme = models.CharField(_("code scheme"), max_length=12, default="grid15")
    community = models.CharField(_("community code"), max_length=12)
    platform = models.ForeignKey(
        "city.Platform", verbose_name=_("platform"), on_delete=models.PROTECT, related_name="unit_grids"
    )
    boundary = models.BinaryField(_("boundary"))
    area_m2 = models.FloatField(_("area (m²)"))
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid until"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    simulated = models.BooleanField(_("simulated"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True, default="")

    objects = GridQuerySet.as_manager()

    class Meta:
        verbose_name = _("unit grid")
        verbose_name_plural = _("unit grids")
        ordering = ["code", "valid_from"]
        indexes = [
            models.Index(fields=["code", "valid_from"], name="city_unitgrid_code_from"),
            models.Index(fields=["community", "code"], name="city_unitgrid_community"),
            models.Index(fields=["platform", "code"], name="city_unitgrid_platform"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(valid_to__isnull=True), name="city_unitgrid_one_current"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="city_unitgrid_period",
            ),
            models.CheckConstraint(condition=Q(area_m2__gt=0), name="city_unitgrid_area"),
        ]

    def __str__(self) -> str:
        return self.code

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise GridKept("grids have history and are never deleted: set valid_to")


class ResponsibilityGrid(models.Model):
    """A set of unit grids that one collector or team walks per shift; ``kind`` tells patrol from lot."""

    class Kind(models.TextChoices):
        PATROL = "patrol", _("Patrol")
        SQUAD = "squad", _("Enforcement squad")
        SANITATION = "sanitation", _("Sanitation lot")
        GREENING = "greening", _("Greening lot")
        ROAD = "road", _("Road lot")

    code = models.CharField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=120, blank=True, default="")
    platform = models.ForeignKey(
        "city.Platform",
        verbose_name=_("platform"),
        on_delete=models.PROTECT,
        related_name="responsibility_grids",
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.PATROL)
    unit_grids = models.ManyToManyField(UnitGrid, verbose_name=_("unit grids"), related_name="responsibility_grids")
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid until"), null=True, blank=True)
    simulated = models.BooleanField(_("simulated"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True, default="")

    objects = GridQuerySet.as_manager()

    class Meta:
        verbose_name = _("responsibility grid")
        verbose_name_plural = _("responsibility grids")
        ordering = ["code", "valid_from"]
        indexes = [
            models.Index(fields=["platform", "kind", "code"], name="city_respgrid_platform"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(valid_to__isnull=True), name="city_respgrid_one_current"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="city_respgrid_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise GridKept("grids have history and are never deleted: set valid_to")
