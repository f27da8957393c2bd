"""Categories: versioned schemes of what a case can be about (GB/T 47678.5-2026, the 2013 one, local classes).

A class is identified by (scheme, kind, code) because the same digits can be a component and an event.
Rows are never altered or deleted once imported: a changed list becomes a new version of the scheme and
supersedes the old one, so a case keeps the very row under which it was filed.
"""

from __future__ import annotations

from django.db import models


class CategoryScheme(models.Model):
    """One version of one scheme; the current one has the highest version and ``superseded_at`` empty."""

    code = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)
    standard = models.CharField(max_length=60, blank=True)
    valid_from = models.DateField(null=True, blank=True)
    sample = models.BooleanField(default=True)
    source = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    imported_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "version"], name="category_scheme_version")]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class Category(models.Model):
    """A minor class (小类). ``code`` is major + minor, as printed on screen: 01001 (2026), 0101 (2013)."""

    class Kind(models.TextChoices):
        COMPONENT = "component"
        EVENT = "event"

    scheme = models.ForeignKey(CategoryScheme, on_delete=models.PROTECT, related_name="categories")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    code = models.CharField(max_length=8)
    major_code = models.CharField(max_length=2)
    major_zh = models.CharField(max_length=60)
    major_en = models.CharField(max_length=100)
    minor_code = models.CharField(max_length=3)
    minor_zh = models.CharField(max_length=60)
    minor_en = models.CharField(max_length=120)
    legacy_code = models.CharField(max_length=4, blank=True, help_text="code in the 2013 scheme, when known")
    typical_unit_zh = models.CharField(max_length=60, blank=True)
    typical_unit_en = models.CharField(max_length=80, blank=True)
    derived = models.CharField(
        max_length=20, blank=True, help_text="component_fault or legacy_code when no list names it"
    )
    confirmed = models.BooleanField(
        default=False, help_text="number and meaning agree in two independent sources; says nothing of limits"
    )
    initials = models.CharField(max_length=60, blank=True, help_text="pinyin initials of minor_zh")
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scheme", "kind", "code"], name="category_code")]

    def __str__(self) -> str:
        return f"{self.kind} {self.code} {self.minor_zh}"


class FileCondition(models.Model):
    """One condition under which a case may be filed (立案条件), with its limit and its close condition.

    ``limit_value`` counts ``limit_unit``: hour and day run day and night, work_hour and work_day only in
    office hours. ``fileable`` is false when Chinese text, limit or unit is missing; ``gap`` names what is.
    """

    class Unit(models.TextChoices):
        HOUR = "hour"
        DAY = "day"
        WORK_HOUR = "work_hour"
        WORK_DAY = "work_day"

    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="conditions")
    ref = models.CharField(max_length=24, help_text="name inside the scheme: c01001-1")
    zh = models.CharField(max_length=300, blank=True)
    en = models.CharField(max_length=300, blank=True)
    limit_value = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    limit_unit = models.CharField(max_length=10, choices=Unit.choices, blank=True)
    close_zh = models.CharField(max_length=200, blank=True)
    close_en = models.CharField(max_length=200, blank=True)
    sample = models.BooleanField(default=True)
    source = models.CharField(max_length=200, blank=True)
    fileable = models.BooleanField()
    gap = models.CharField(max_length=60, blank=True, help_text="what is missing: chinese,limit,unit")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["category", "ref"], name="file_condition_ref")]

    def __str__(self) -> str:
        return self.ref
