"""Platform: the city or one of its counties. Every record belongs to one; the city supervises all."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Platform(models.Model):
    """A platform (平台): numbering, duties, calendar, policy, hotline and accounts are per platform.

    ``code`` and ``adcode`` are the six digits of GB/T 2260 ("421200"); they differ only when two platforms
    share one administrative code, for example a development zone with its own command centre.
    ``centre_model``: *two* centres (supervision apart from command) or *one* centre that does both.
    """

    class Level(models.TextChoices):
        CITY = "city", _("City")
        COUNTY = "county", _("County")

    class CentreModel(models.TextChoices):
        TWO = "two", _("Two centres")
        ONE = "one", _("One centre")

    code = models.CharField(_("code"), max_length=12, unique=True)
    name = models.CharField(_("name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=120, blank=True, default="")
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent platform"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
    )
    level = models.CharField(_("level"), max_length=8, choices=Level.choices)
    adcode = models.CharField(_("administrative code"), max_length=6, db_index=True)
    centre_model = models.CharField(
        _("centre model"), max_length=4, choices=CentreModel.choices, default=CentreModel.TWO
    )

    class Meta:
        verbose_name = _("platform")
        verbose_name_plural = _("platforms")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    def title(self, language: str | None) -> str:
        """The name in ``language``; Chinese when there is no English name."""
        return self.name_en if (language or "").startswith("en") and self.name_en else self.name
