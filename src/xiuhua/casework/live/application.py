"""The ASGI application that granian serves in the stream process."""

from __future__ import annotations

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xiuhua.settings")
if not apps.ready:
    django.setup()

from xiuhua.casework.live.app import App

application = App()
