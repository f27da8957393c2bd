"""The Django app of room ``ui``: the shell of every page."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UiConfig(AppConfig):
    name = "xiuhua.ui"
    label = "ui"
    verbose_name = _("Shell")
