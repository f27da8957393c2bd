"""Generated requests against the whole API, as several people: no 5xx, no answer that its description does not name.

Schemathesis reads ``openapi.json`` and makes requests that fit it and requests that do not; hypothesis is
derandomised, so a run is the same everywhere. Half of the cases that are asked for exist.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from xiuhua import api_base
from xiuhua.casework import files
from xiuhua.casework.tests.conftest import City
from xiuhua.city import tokens
from xiuhua.city.models import User

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]
SCOPES = ("case.report", "case.read", "case.act", "case.search_phone", "case.reveal", "ground.read", "api.token")
#: Each sees another part of the city; the last has no token at all.
PEOPLE = ("operator", "unit", "auditor", "")
EXAMPLES = 6


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The product as a server calls it. The connection of the test stays open between requests."""
    monkeypatch.setattr(api_base.Rate, "allow_request", lambda *_: True)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def known(city: City, settings: Any, tmp_path: Any) -> dict[str, list[str]]:
    """What there is to ask for: path parameters that mean something."""
    settings.DATA_DIR = tmp_path
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    out.seek(0)
    photo = files.upload(city.operator, out, "a.png")
    reported = city.case(reporter_phone="13800138000", reporter_name="欧阳测试", photos=[photo.sha256])
    handled = city.handled(position={"lon": 114.3, "lat": 29.8})
    city.act(city.handled(), "look", collector="collector")
    return {
        "number": [reported.number, handled.number],
        "action": ["accept", "finish", "extend", "reveal", "vote"],
        "code": ["repair"],
        "sha256": [photo.sha256],
        "size": ["320", "1280"],
    }


def token(city: City, name: str) -> str:
    user = User.objects.get(username=name)
    return tokens.issue(user, city.actors[name], "schemathesis", SCOPES, 30, check=False)[1]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "breaking"])
@pytest.mark.parametrize("who", PEOPLE, ids=[name or "nobody" for name in PEOPLE])
def test_no_failure_and_no_breach(
    city: City, app: Any, known: dict[str, list[str]], who: str, mode: GenerationMode
) -> None:
    cache.clear()
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    headers = {"Authorization": f"Bearer {token(city, who)}"} if who else {}
    checks = [*CHECKS, negative_data_rejection] if mode == GenerationMode.NEGATIVE and who else CHECKS
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode), chosen=st.integers(0, 3))
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        def call(case: Any, chosen: int) -> None:
            if mode == GenerationMode.POSITIVE:
                for name, values in known.items():
                    if chosen and case.path_parameters and name in case.path_parameters:
                        case.path_parameters[name] = values[chosen % len(values)]
            answer = case.call(headers=headers)
            seen.setdefault(case.operation.label, set()).add(answer.status_code)
            if not who and "openapi" not in case.path:
                assert answer.status_code == 401
            case.validate_response(answer, checks=checks)

        try:
            call()
        except Unsatisfiable:  # an operation without parameters cannot be asked wrongly
            assert mode == GenerationMode.NEGATIVE
    assert len(seen) >= 18
    if mode == GenerationMode.POSITIVE and who:
        # The requests reach what they ask for, and are not all turned away at the door.
        for label in ("GET /api/v1/cases", "GET /api/v1/cases/{number}", "GET /api/v1/me", "GET /api/v1/categories"):
            assert 200 in seen[label], (label, seen[label])


FIELDS = (
    "title", "description", "address", "position", "urgency", "reporter_name", "reporter_phone", "reporter_id",
    "photos", "unit", "advice", "collector", "voters", "choice", "points", "nonsense", "",
)  # fmt: skip
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("lon", "lat", "datum", "lon_e7", "user", "lead", "x")), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_answers_of_any_shape(city: City, app: Any, known: dict[str, list[str]]) -> None:
    """Whatever stands in a form: accepted, or refused with a problem that names the field; never a failure."""
    client = Client()
    headers = {name: {"Authorization": f"Bearer {token(city, name)}"} for name in ("operator", "dispatcher", "unit")}
    ways = [("operator", "/cases")]
    for number in known["number"]:
        for who, action in (("operator", "accept"), ("unit", "look"), ("unit", "ask_vote"), ("unit", "finish")):
            ways.append((who, f"/cases/{number}/actions/{action}"))

    @given(way=st.sampled_from(ways), answers=st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=6))
    @settings(
        max_examples=120,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def post(way: tuple[str, str], answers: dict[str, Any]) -> None:
        who, path = way
        body = {"answers": answers, **({"procedure": "repair"} if path == "/cases" else {})}
        answer = client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=headers[who])
        assert answer.status_code in (200, 201, 400, 403, 404, 409, 422), answer.content
        if answer.status_code == 422:
            assert {one["field"] for one in answer.json()["errors"]} <= set(answers) | set(FIELDS)

    post()


def test_the_document_is_whole() -> None:
    """Every operation names its problems and what it asks; nothing in it loads from afar."""
    from xiuhua import manifest
    from xiuhua.urls import build_api

    document = build_api(manifest.rooms()).get_openapi_schema()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["x-access"]["kind"] in ("permission", "signed_in")
        assert {400, 401, 403, 404, 405, 429} <= {int(status) for status in one["responses"]}
        assert one["summary"] and one["description"], one["operationId"]
        assert one["security"]
