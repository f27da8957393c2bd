"""Environment of the test runs, loaded by pytest before Django (``-p xiuhua.testing``).

Keys are generated per run; data lives in a temporary folder that is removed at the end. Without
``XIUHUA_DATABASE_URL`` the tests run on SQLite in that folder.
"""

from __future__ import annotations

import atexit
import base64
import os
import secrets
import shutil
import tempfile
from pathlib import Path

_worker = os.environ.get("PYTEST_XDIST_WORKER")
if _worker:
    _folder = Path(os.environ["XIUHUA_TEST_DIR"]) / _worker
    _folder.mkdir(exist_ok=True)
else:
    _folder = Path(tempfile.mkdtemp(prefix="xiuhua-test-"))
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["XIUHUA_TEST_DIR"] = str(_folder)
    os.environ["XIUHUA_SECRET_KEY"] = secrets.token_urlsafe(48)
    os.environ["XIUHUA_DATA_KEY"] = base64.b64encode(secrets.token_bytes(32)).decode()
    os.environ["XIUHUA_STATIC"] = "plain"
    os.environ["XIUHUA_SQLITE_SYNCHRONOUS"] = "OFF"
os.environ["XIUHUA_DATA_DIR"] = str(_folder)
