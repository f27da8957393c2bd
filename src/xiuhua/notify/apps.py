"""The notify room as a Django application."""

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "xiuhua.notify"
    label = "notify"
    default_auto_field = "django.db.models.BigAutoField"
