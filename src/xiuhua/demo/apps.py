"""The demo room as a Django application."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "xiuhua.demo"
    label = "demo"
