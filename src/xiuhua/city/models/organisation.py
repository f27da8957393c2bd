"""Organisations in one tree: the commission and its 1+1+3 units, departments, county bureaus, contractors."""

from __future__ import annotations

from django.db import models


class Organisation(models.Model):
    """A unit that can hold, handle or answer for a case. ``assessed`` units appear in rankings."""

    class Kind(models.TextChoices):
        COMMISSION = "commission"
        CENTRE = "centre"
        ENFORCEMENT = "enforcement"
        PROFESSIONAL = "professional"
        DEPARTMENT = "department"
        COUNTY = "county"
        SUBDISTRICT = "subdistrict"
        UTILITY = "utility"
        CONTRACTOR = "contractor"
        SUB_UNIT = "sub_unit"
        CREW = "crew"

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    name_en = models.CharField(max_length=140, blank=True)
    short_name = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=14, choices=Kind.choices)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    platform = models.ForeignKey("city.Platform", on_delete=models.PROTECT, related_name="organisations")
    credit_code = models.CharField(max_length=18, blank=True, help_text="unified social credit code")
    assessed = models.BooleanField(default=False)
    simulated = models.BooleanField(default=False)
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.short_name or self.name
