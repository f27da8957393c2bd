"""The ops room as a Django application."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "xiuhua.ops"
    label = "ops"
    default_auto_field = "django.db.models.BigAutoField"
