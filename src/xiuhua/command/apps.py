"""The command room as a Django application."""

from django.apps import AppConfig


class CommandConfig(AppConfig):
    name = "xiuhua.command"
    label = "command"
    default_auto_field = "django.db.models.BigAutoField"
