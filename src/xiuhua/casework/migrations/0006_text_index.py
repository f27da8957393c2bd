"""The index of words inside texts (`xiuhua.casework.text_index`)."""

from typing import Any

from django.db import migrations

from xiuhua.casework import text_index


def create(_apps: Any, editor: Any) -> None:
    text_index.create(editor.connection)


def drop(_apps: Any, editor: Any) -> None:
    text_index.drop(editor.connection)


class Migration(migrations.Migration):
    dependencies = [("casework", "0005_work_list")]
    operations = [migrations.RunPython(create, drop)]
