"""What the tests of the API share: a person's program, and the problems that it may be told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from xiuhua.api_base import PROBLEM_TYPE

ROOT = "/api/v1"
ALL_SCOPES = ("case.report", "case.read", "case.act", "case.search_phone", "case.reveal", "ground.read", "api.token")


@dataclass
class Api:
    """One person's program: a token, JSON in and out, English."""

    raw: str
    language: str = "en"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return Client().generic(
            method,
            f"{ROOT}{path}",
            sent.get("data", ""),
            sent.get("content_type", "application/octet-stream") if body is not None else "",
            headers={"Authorization": f"Bearer {self.raw}", "Accept-Language": self.language, **headers},
        )

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def upload(self, data: bytes, name: str = "a.jpg", **fields: Any) -> Any:
        return Client().post(
            f"{ROOT}/attachments",
            {"file": SimpleUploadedFile(name, data), **fields},
            headers={"Authorization": f"Bearer {self.raw}", "Accept-Language": self.language},
        )


Caller = Callable[..., Api]


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 200, 10)).save(out, "JPEG")
    return out.getvalue()


def report(api: Api, **answers: Any) -> dict[str, Any]:
    body = {"procedure": "repair", "answers": {"description": "井盖缺失", **answers}}
    answer = api.post("/cases", body)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer["Content-Type"] == PROBLEM_TYPE, answer.content
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["title"] and body["detail"] and body["type"] == f"urn:xiuhua:problem:{code}"
    return dict(body)
