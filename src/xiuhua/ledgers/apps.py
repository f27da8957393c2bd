"""The ledgers room as a Django application: declarations are checked at the start, history is sealed."""

from django.apps import AppConfig


class LedgersConfig(AppConfig):
    name = "xiuhua.ledgers"
    label = "ledgers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from xiuhua.ledgers import registry

        registry.check()
