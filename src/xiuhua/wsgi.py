"""The WSGI application that granian serves."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xiuhua.settings")
application = get_wsgi_application()

# What the start has made stays for good: the collector need not walk through it at every turn.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
