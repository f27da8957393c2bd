"""The Django app of room ``city``: the ground on which every case stands."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CityConfig(AppConfig):
    name = "xiuhua.city"
    label = "city"
    verbose_name = _("City")
    default_auto_field = "django.db.models.BigAutoField"
