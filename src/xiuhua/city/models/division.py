"""Division: one administrative or statistical unit from province to village, with its boundary if known."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Division(models.Model):
    """A division (行政区划). ``code`` has 2, 4, 6, 9 or 12 digits by level (GB/T 2260, GB/T 10114).

    A code that ends in zeros at city level ("421200") is kept as six digits, the way people write it.
    ``boundary`` is WKB in CGCS2000 longitude/latitude, NULL when no licensed shape is known (real townships
    have none); ``simulated`` says that the *shape* is generated; name and code are those of ``source``.
    """

    class Level(models.TextChoices):
        PROVINCE = "province", _("Province")
        CITY = "city", _("City")
        COUNTY = "county", _("County")
        TOWNSHIP = "township", _("Sub-district or township")
        VILLAGE = "village", _("Community or village")

    code = models.CharField(_("code"), max_length=12, unique=True)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=160, blank=True, default="")
    level = models.CharField(_("level"), max_length=8, choices=Level.choices)
    kind_zh = models.CharField(_("kind of unit"), max_length=40, blank=True, default="")
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent division"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
    )
    boundary = models.BinaryField(_("boundary"), null=True, blank=True)
    label_lon = models.FloatField(_("label longitude"), null=True, blank=True)
    label_lat = models.FloatField(_("label latitude"), null=True, blank=True)
    simulated = models.BooleanField(_("simulated shape"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("division")
        verbose_name_plural = _("divisions")
        ordering = ["code"]
        indexes = [
            models.Index(fields=["level", "code"], name="city_division_level_code"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.code}"
