"""A published version of a procedure, stored whole (base and override resolved)."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ProcedureVersion(models.Model):
    code = models.CharField(_("code"), max_length=60)
    variant = models.CharField(_("variant"), max_length=60, blank=True, default="")
    version = models.PositiveIntegerField(_("version"))
    digest = models.CharField(max_length=64)
    title_zh = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120)
    text = models.TextField(help_text="the resolved procedure, canonical JSON")
    active = models.BooleanField(default=True)
    published_at = models.DateTimeField()
    rule = models.ForeignKey(
        "casework.RuleVersion",
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="what the city published to make it",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "variant", "version"], name="procedure_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.code}{'.' + self.variant if self.variant else ''} v{self.version}"
