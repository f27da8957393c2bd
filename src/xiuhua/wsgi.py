"""The WSGI application that granian serves."""

from __future__ import annotations

import gc
import os

gc.disable()  # nothing that the start makes is rubbish: looking for some costs a fifth of it

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import get_resolver  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xiuhua.settings")
application = get_wsgi_application()
_ = get_resolver().url_patterns  # pages and API of every room: here, and not while the first visitor waits

# What the start has made stays for good: the collector need not walk through it at every turn, and processes that
# part from here share it.
gc.freeze()
gc.set_threshold(20_000, 20, 20)
gc.enable()
