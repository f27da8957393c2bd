"""The casework room as a Django application: it guards the event log after every migration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CaseworkConfig(AppConfig):
    name = "xiuhua.casework"
    label = "casework"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from xiuhua.casework import registry
        from xiuhua.casework.guard_rails import install_after_migrate, step_aside_for_migrate

        registry.autoload()
        # SQLite drops triggers when a table is altered, so they are put back after every migration.
        pre_migrate.connect(step_aside_for_migrate, dispatch_uid="casework.step_aside")
        post_migrate.connect(install_after_migrate, dispatch_uid="casework.guard_rails")
