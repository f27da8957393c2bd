"""Component (部件): a city thing with an identifier for life, GB/T 30428.2-2013 and GB/T 47678.5-2026."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

#: Name of the in-memory table of positions (`xiuhua.city.component_points`).
TABLE_NAME = "components"


def _changed() -> None:
    # Imported late: the module of the tables needs the models.
    from xiuhua.city import memory

    memory.bump(TABLE_NAME)


class ComponentQuerySet(models.QuerySet[Any]):
    """Every way to change many rows says so to the in-memory table; only SQL by hand must call `memory.bump`."""

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        made = super().bulk_create(*args, **kwargs)
        _changed()
        return made

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        count = super().bulk_update(*args, **kwargs)
        _changed()
        return count

    def update(self, **kwargs: Any) -> int:
        count = super().update(**kwargs)
        _changed()
        return count

    def delete(self) -> tuple[int, dict[str, int]]:
        gone = super().delete()
        _changed()
        return gone


class Component(models.Model):
    """One component of the census.

    ``code`` has 16 digits in scheme 2013 and 17 in scheme 2026 (`xiuhua.city.codes`). Positions are integers
    of 1e-7 degree, CGCS2000; ``datum`` says in what they came. ``owner`` (权属), ``maintainer`` (养护) and
    ``competent`` (主管) are organisations; routing asks the owner first. When class or district changes, this
    row is closed (``state`` removed, ``changed_on``) and ``replaced_by`` names the new one.
    """

    class State(models.TextChoices):
        INTACT = "intact", _("Intact")
        BROKEN = "broken", _("Broken")
        LOST = "lost", _("Lost")
        ABANDONED = "abandoned", _("Abandoned")
        REMOVED = "removed", _("Removed")

    code = models.CharField(_("component identifier"), max_length=20, unique=True)
    scheme = models.CharField(_("category scheme"), max_length=16)
    kind = models.CharField(_("class kind"), max_length=10, default="component")
    major = models.CharField(_("major class"), max_length=2)
    minor = models.CharField(_("minor class"), max_length=3)
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=120, blank=True, default="")
    platform = models.ForeignKey(
        "city.Platform", verbose_name=_("platform"), on_delete=models.PROTECT, related_name="components"
    )
    owner = models.ForeignKey(
        "city.Organisation",
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="owned_components",
    )
    maintainer = models.ForeignKey(
        "city.Organisation",
        verbose_name=_("maintainer"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="maintained_components",
    )
    competent = models.ForeignKey(
        "city.Organisation",
        verbose_name=_("competent department"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="competent_components",
    )
    lon_e7 = models.IntegerField(_("longitude (1e-7 degree)"))
    lat_e7 = models.IntegerField(_("latitude (1e-7 degree)"))
    datum = models.CharField(_("datum it came in"), max_length=10, default="cgcs2000")
    grid_code = models.CharField(_("unit grid"), max_length=20, blank=True, default="")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.INTACT)
    surveyed_on = models.DateField(_("initial date"), null=True, blank=True)
    changed_on = models.DateField(_("change date"), null=True, blank=True)
    replaced_by = models.ForeignKey(
        "self",
        verbose_name=_("replaced by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="replaces",
    )
    note = models.CharField(_("note"), max_length=1000, blank=True, default="")
    simulated = models.BooleanField(_("simulated"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True, default="")

    objects = ComponentQuerySet.as_manager()

    class Meta:
        verbose_name = _("component")
        verbose_name_plural = _("components")
        ordering = ["code"]
        indexes = [
            models.Index(fields=["platform", "major", "minor", "id"], name="city_component_class"),
            models.Index(fields=["grid_code", "id"], name="city_component_grid"),
            models.Index(fields=["lat_e7", "lon_e7"], name="city_component_position"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(lon_e7__gte=-1_800_000_000, lon_e7__lte=1_800_000_000)
                & Q(lat_e7__gte=-900_000_000, lat_e7__lte=900_000_000),
                name="city_component_position_ok",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        _changed()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        _changed()
        return gone
