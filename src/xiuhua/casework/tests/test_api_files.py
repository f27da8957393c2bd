"""Files through the API: sniffed, limited, and seen only by those who may see the case."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from xiuhua.casework.models import Attachment
from xiuhua.casework.tests.api_client import ROOT, Caller, picture, problem, report
from xiuhua.casework.tests.conftest import City


class TestFiles:
    @pytest.fixture(autouse=True)
    def _store(self, settings: Any, tmp_path: Any) -> None:
        settings.DATA_DIR = tmp_path

    def test_upload_and_fetch(self, caller: Caller) -> None:
        operator = caller("operator")
        answer = operator.upload(picture(), "现场.jpg", stage="before")
        assert answer.status_code == 201
        made = answer.json()
        assert (made["media_type"], made["width"], made["stage"]) == ("image/jpeg", 40, "before")
        thumbnail = operator.get(made["thumbnails"]["320"].removeprefix(ROOT))
        assert thumbnail["Content-Type"] == "image/webp"
        assert b"".join(thumbnail.streaming_content).startswith(b"RIFF")
        problem(operator.get(f"/attachments/{made['sha256']}/thumbnail/500"), 404, "not_found")
        again = operator.get(f"/attachments/{made['sha256']}", **{"If-None-Match": f'"{made["sha256"]}"'})
        assert again.status_code == 304

    def test_others_do_not_even_learn_that_a_file_exists(self, caller: Caller, city: City) -> None:
        operator, stranger = caller("operator"), caller("park_unit")
        sha256 = operator.upload(picture()).json()["sha256"]
        for path in (f"/attachments/{sha256}", f"/attachments/{sha256}/thumbnail/320", f"/attachments/{'0' * 64}"):
            problem(stranger.get(path), 404, "not_found")
        report(operator, photos=[sha256])
        problem(stranger.get(f"/attachments/{sha256}"), 404, "not_found")
        assert caller("dispatcher").get(f"/attachments/{sha256}").status_code == 200
        stolen = {"procedure": "repair", "answers": {"description": "x", "photos": [sha256]}}
        assert problem(caller("collector").post("/cases", stolen), 422, "invalid")["errors"][0]["field"] == "photos"

    def test_what_is_no_picture(self, caller: Caller) -> None:
        for data, status, code in [
            (b"", 422, "empty"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported"),
            (b"<html>", 415, "unsupported"),
            (b"MZ" + b"\0" * 99, 415, "unsupported"),
            (b"\xff\xd8\xff\xe0....", 422, "damaged"),
        ]:
            problem(caller("operator").upload(data, "photo.jpg"), status, code)
            assert not Attachment.objects.exists()

    def test_too_large(self, caller: Caller, settings: Any) -> None:
        settings.UPLOAD_MAX_BYTES = 1024
        problem(caller("operator").upload(picture() + b"x" * 2000), 413, "too_large")
        problem(caller("operator").upload(b"x" * 200_000), 413, "too_large")

    def test_forms_that_are_none(self, caller: Caller) -> None:
        operator = caller("operator")
        problem(operator.upload(picture(), colour="red"), 422, "invalid")
        problem(operator.upload(picture(), stage="../x"), 422, "invalid")
        problem(operator.post("/attachments", {"file": "x"}), 415, "unsupported")
        broken = Client().generic(
            "POST",
            f"{ROOT}/attachments",
            b"no boundary",
            "multipart/form-data",
            headers={"Authorization": f"Bearer {operator.raw}"},
        )
        problem(broken, 400, "unreadable")
