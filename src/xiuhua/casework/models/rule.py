"""A published version of a city's own rule file: appended, never changed; the last one of a file is in force."""

from django.conf import settings
from django.db import models


class RuleVersion(models.Model):
    kind = models.CharField(max_length=40, help_text="the book that reads it, such as procedure or routing")
    name = models.CharField(max_length=90, blank=True, default="", help_text="which file of the book")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True, help_text="YAML as it was written; empty: withdrawn, what ships is in force")
    reason = models.CharField(max_length=200)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "name", "version"], name="rule_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}{'/' + self.name if self.name else ''} v{self.version}"
