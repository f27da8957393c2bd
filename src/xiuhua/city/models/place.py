"""Place: a name linked with a shape (基本地点数据 of the geocoding part, GB/T 30428.3)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Place(models.Model):
    """A named place; ``geometry`` is WKB (point, line or polygon) in CGCS2000 lon/lat.

    ``aliases`` holds other and older names, one per line, so that a search by text finds them.
    ``lon_e7``/``lat_e7`` are a point on the shape in 1e-7 degree, for lists and labels.
    """

    class Kind(models.TextChoices):
        AREA = "area", _("Area")
        ZONE = "zone", _("Zone")
        BLOCK = "block", _("Block")
        ROAD = "road", _("Street or lane")
        JUNCTION = "junction", _("Junction")
        PLATE = "plate", _("Door or building plate")
        POI = "poi", _("Point of interest")

    platform = models.ForeignKey(
        "city.Platform", verbose_name=_("platform"), on_delete=models.PROTECT, related_name="places"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=160, blank=True, default="")
    aliases = models.TextField(_("other names, one per line"), blank=True, default="")
    geometry = models.BinaryField(_("geometry"))
    lon_e7 = models.IntegerField(_("longitude (1e-7 degree)"))
    lat_e7 = models.IntegerField(_("latitude (1e-7 degree)"))
    simulated = models.BooleanField(_("simulated"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("place")
        verbose_name_plural = _("places")
        ordering = ["platform", "kind", "name", "id"]
        indexes = [
            models.Index(fields=["platform", "kind", "name", "id"], name="city_place_kind_name"),
            models.Index(fields=["name"], name="city_place_name"),
        ]

    def __str__(self) -> str:
        return self.name
