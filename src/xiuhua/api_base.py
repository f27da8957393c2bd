"""What every room's API shares: access declared per operation, problems by RFC 9457, strict JSON, one document.

Knows no models and no room (``xiuhua.urls`` builds the API with it). A room makes its operations with `ApiRouter`,
which takes no operation that does not say who may call it, and says what its own exceptions mean by `answers`.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Router, Schema
from ninja.constants import NOT_SET
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.throttling import BaseThrottle
from ninja.utils import check_csrf

from xiuhua import request_id
from xiuhua.doors import Access, public

__all__ = [
    "ApiRouter", "ErrorItem", "Problem", "ProblemBody", "Rate", "XiuhuaAPI", "allow", "answers", "respond", "storable",
    "unknown",
]  # fmt: skip

log = logging.getLogger("xiuhua.api")

PROBLEM_TYPE = "application/problem+json"
#: Requests of one actor to one process in a minute; more are asked to wait (429).
RATE = 1200
#: Deepest nesting of a JSON body.
DEEPEST = 40
F = TypeVar("F", bound=Callable[..., Any])


# -- problems ------------------------------------------------------------------------------------------------------


class ErrorItem(Schema):
    """One wrong or missing value: where, and a sentence."""

    field: str
    message: str


class ProblemBody(Schema):
    """An error as a problem document (RFC 9457). ``code`` is stable; title and detail are for people; ``request`` is what to tell the operators."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ErrorItem] = []
    who: list[str] = []
    seq: int | None = None
    request: str = ""


@dataclass
class Problem(Exception):
    """Raise it anywhere below an operation. ``who`` names the roles that could do what was refused."""

    status: int
    code: str
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    who: Sequence[str] = ()
    seq: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}"


def respond(problem: Problem) -> HttpResponse:
    """The answer of a problem, in the active language."""
    body: dict[str, Any] = {
        "type": f"urn:xiuhua:problem:{problem.code}",
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": [{"field": name, "message": message} for name, message in problem.errors],
        "who": list(problem.who),
        "seq": problem.seq,
        "request": request_id.current(),
    }
    response = JsonResponse(
        body, status=problem.status, content_type=PROBLEM_TYPE, json_dumps_params={"ensure_ascii": False}
    )
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response


def _title(status: int) -> str:
    titles = {
        400: _("The request cannot be read"),
        401: _("Please sign in"),
        403: _("Not allowed"),
        404: _("Not found"),
        405: _("This address has no such method"),
        409: _("Not possible now"),
        413: _("Too large"),
        415: _("This kind of content is not accepted"),
        422: _("Something in the request is not right"),
        429: _("Too many requests"),
        503: _("Not available for a moment"),
    }
    return titles.get(status) or HTTPStatus(status).phrase


_meanings: dict[type[Exception], Callable[[Any], Problem]] = {}


def answers(kind: type[Exception]) -> Callable[[Callable[[Any], Problem]], Callable[[Any], Problem]]:
    """Register what an exception of a room means: ``f(exception) -> Problem``."""

    def register(meaning: Callable[[Any], Problem]) -> Callable[[Any], Problem]:
        _meanings[kind] = meaning
        return meaning

    return register


def _house_meanings() -> None:
    answers(Problem)(lambda problem: problem)
    answers(Http404)(lambda _error: Problem(404, "not_found", _("There is nothing at this address.")))
    answers(PermissionDenied)(lambda error: Problem(403, "forbidden", str(error) or _("Your posts do not allow this.")))
    answers(RequestDataTooBig)(lambda _error: too_large())
    answers(TooManyFieldsSent)(lambda _error: too_large())
    answers(MultiPartParserError)(lambda _error: unreadable())
    answers(UnreadablePostError)(lambda _error: unreadable())
    answers(SuspiciousOperation)(lambda _error: unreadable())
    answers(HttpError)(_of_http_error)
    answers(ValidationError)(_of_validation)


def unreadable(detail: str = "") -> Problem:
    return Problem(400, "unreadable", detail or _("The body of the request cannot be read."))


def too_large() -> Problem:
    return Problem(413, "too_large", _("The request is too large."))


def _of_http_error(error: HttpError) -> Problem:
    if error.status_code == 400:
        cause = error.__cause__
        return unreadable(str(cause) if isinstance(cause, NotAccepted) else "")
    if error.status_code == 429:
        return Problem(429, "too_many", _("Too many requests. Please wait a moment and try again."))
    return Problem(error.status_code, "error", str(error.message))


def _of_validation(error: ValidationError) -> Problem:
    """The places and reasons of pydantic, said in the reader's language."""
    items = [
        (".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]), _said(fault))
        for fault in error.errors
    ]
    return Problem(422, "invalid", _("Some values are missing or wrong."), errors=items[:50])


def _said(fault: Mapping[str, Any]) -> str:
    context = fault.get("ctx") or {}
    kind = str(fault.get("type"))
    if kind == "missing":
        return _("This is required.")
    if kind == "extra_forbidden":
        return _("This is not known here.")
    if kind in ("literal_error", "enum"):
        return _("Choose one of: %(choices)s.") % {"choices": context.get("expected", "")}
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        bound = context.get("ge", context.get("gt", context.get("le", context.get("lt"))))
        if kind.startswith("greater"):
            return _("This must be at least %(least)s.") % {"least": bound}
        return _("This must be at most %(most)s.") % {"most": bound}
    if kind in ("string_too_long", "too_long"):
        return _("At most %(count)s.") % {"count": context.get("max_length")}
    if kind in ("string_too_short", "too_short"):
        return _("At least %(count)s.") % {"count": context.get("min_length")}
    if kind.startswith(("int", "float", "decimal", "finite")):
        return _("This must be a number.")
    if kind.startswith("bool"):
        return _("Answer true or false.")
    if kind.startswith("string_pattern"):
        return _("This is not written as it must be.")
    if kind.startswith("string"):
        return _("This must be text.")
    if kind.startswith(("dict", "model", "list", "tuple")):
        return _("This has the wrong shape.")
    if kind == "value_error":
        return str(context.get("error", "")) or _("This is not right.")
    return _("This is not right.")


# -- reading -------------------------------------------------------------------------------------------------------


class NotAccepted(ValueError):
    """What JSON may hold but we do not take; the message is for the sender."""


def _no_constant(name: str) -> NoReturn:
    raise NotAccepted(_("%(name)s is not a number.") % {"name": name})


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotAccepted(_("A number is too large."))
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAccepted(_("A name stands twice in one object."))
    return found


def storable(text: str) -> bool:
    """Whether a database and a log can hold the text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _check(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise NotAccepted(_("The body is nested too deeply."))
    if isinstance(value, str):
        if not storable(value):
            raise NotAccepted(_("The request holds characters that cannot be stored."))
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


class StrictParser(Parser):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no doubled names, nothing that cannot be stored."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            value = json.loads(
                request.body.decode("utf-8"),
                parse_constant=_no_constant,
                parse_float=_finite,
                object_pairs_hook=_once,
            )
        except RecursionError:
            raise NotAccepted(_("The body is nested too deeply.")) from None
        _check(value)
        return value

    def parse_querydict(self, data: Any, list_fields: list[str], request: HttpRequest) -> dict[str, Any]:
        found = super().parse_querydict(data, list_fields, request)
        for name, value in found.items():
            for text in (name, *(value if isinstance(value, list) else [value])):
                if isinstance(text, str) and not storable(text):
                    raise unreadable(_("The request holds characters that cannot be stored."))
        return found


# -- who may -------------------------------------------------------------------------------------------------------


class Door:
    """``auth=`` of an operation: who calls (a token, or a session with its CSRF token), and whether he may."""

    def __init__(self, access: Access, *, most_bytes: Callable[[], int] | None = None) -> None:
        self.access = access
        self.most_bytes = most_bytes
        #: Names that the query may have; the router fills it in.
        self.parameters: frozenset[str] = frozenset()

    def __call__(self, request: HttpRequest) -> Any:
        actor = getattr(request, "actor", None)
        if self.access.kind == "public":
            return actor or True
        if actor is None:
            raise Problem(
                401,
                "not_signed_in",
                _("Send an API token (Authorization: Bearer …) or sign in."),
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not getattr(request, "by_token", False) and check_csrf(request) is not None:
            raise Problem(403, "csrf", _("The request did not come from a page of this site. Load the page again."))
        if self.access.kind == "permission" and not any(actor.has(one) for one in self.access.permissions):
            raise Problem(
                403,
                "forbidden",
                _("Your posts or this token do not allow this: %(permission)s.")
                % {"permission": " / ".join(self.access.permissions)},
            )
        self._check_query(request)
        self._check_body(request)
        return actor

    def _check_query(self, request: HttpRequest) -> None:
        """A misspelt filter must not quietly list everything."""
        unknown = sorted(name[:60] for name in request.GET if name not in self.parameters)
        if unknown:
            said = _("This is not known here.")
            errors = [(name if storable(name) else "?", said) for name in unknown[:20]]
            raise Problem(422, "invalid", _("Some values are missing or wrong."), errors=errors)

    def _check_body(self, request: HttpRequest) -> None:
        """Before anything is read: how long it says to be, and of what kind it is."""
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            raise unreadable() from None
        if self.most_bytes is not None:
            if length > self.most_bytes():
                raise too_large()
            if request.content_type != "multipart/form-data":
                raise Problem(415, "unsupported", _("Send the file as multipart/form-data."))
        elif length and request.method in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
            raise Problem(415, "unsupported", _("Send the body as application/json."))


class Rate(BaseThrottle):
    """At most ``most`` requests a minute of one actor, counted in this process."""

    def __init__(self, most: int = RATE, name: str = "all") -> None:
        self.most = most
        self.name = name

    def allow_request(self, request: HttpRequest) -> bool:
        who = getattr(getattr(request, "actor", None), "ref", "") or request.META.get("REMOTE_ADDR", "")
        key = f"api-rate:{self.name}:{who}:{int(time.time()) // 60}"
        if cache.add(key, 1, 90):
            return True
        try:
            return int(cache.incr(key)) <= self.most
        except ValueError:  # it expired between the two
            return True

    def wait(self) -> float:
        return 60 - time.time() % 60


class ApiRouter(Router):
    """A router whose operations say who may call them: ``@router.get("/x")`` over ``@allow("case.read")``.

    ``view.access`` tells a walk over the URL map; the document tells programs (``x-access``).
    """

    def add_api_operation(self, path: str, methods: list[str], view_func: Callable[..., Any], **options: Any) -> None:
        access = getattr(view_func, "access", None)
        if not isinstance(access, Access):
            raise TypeError(f"{view_func.__module__}.{view_func.__name__} does not say who may call it")
        extra = options.pop("openapi_extra", None) or {}
        most_bytes = getattr(view_func, "most_bytes", None)
        door = options["auth"] = Door(access, most_bytes=most_bytes)
        if options.get("throttle", NOT_SET) is NOT_SET:
            options["throttle"] = Rate()
        options["openapi_extra"] = {**extra, "x-access": {"kind": access.kind, "permissions": list(access.permissions)}}
        super().add_api_operation(path, methods, view_func, **options)
        models = view_func._ninja_operation.models  # type: ignore[attr-defined]
        door.parameters = frozenset(
            name for model in models if model.__ninja_param_source__ == "query" for name in model.__ninja_flatten_map__
        )


def allow(*permissions: str, public: str = "", most_bytes: Callable[[], int] | None = None) -> Callable[[F], F]:
    """Who may call an operation: actors with one of the permissions; without any, everybody signed in.

    ``most_bytes`` marks an upload: multipart/form-data of at most so many bytes. Stands below the router's decorator.
    """

    def decorate(view: F) -> F:
        if public:
            view.access = Access("public", why=public)  # type: ignore[attr-defined]
        else:
            view.access = Access("permission", permissions) if permissions else Access("signed_in")  # type: ignore[attr-defined]
        view.most_bytes = most_bytes  # type: ignore[attr-defined]
        return view

    return decorate


# -- the API -------------------------------------------------------------------------------------------------------

_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token; its scopes narrow the posts."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "A signed-in browser.",
    },
}
_ALWAYS = (400, 401, 403, 404, 405, 429)
_WITH_BODY = (409, 413, 415, 422)


class XiuhuaAPI(NinjaAPI):
    """The API of all rooms: every error is a problem document, whatever raised it."""

    _document: OpenAPISchema | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{
                "title": "Xiuhua",
                "version": "1.0.0",
                "urls_namespace": "api",
                "docs_url": None,
                "openapi_url": "/openapi.json",
                "parser": StrictParser(),
                "docs_decorator": public("the description of the API holds no data"),
                **options,
            }
        )

    def set_default_exception_handlers(self) -> None:
        _house_meanings()
        self.add_exception_handler(Exception, self._on_any)

    def told(self, problem: Problem) -> Problem:
        """The problem as this API tells it; another API may follow a standard with other statuses."""
        return problem

    def _on_any(self, request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
        for kind in type(error).__mro__:
            if meaning := _meanings.get(kind):
                return respond(self.told(meaning(error)))
        log.exception("the API failed: %s %s", request.method, type(error).__name__)
        from xiuhua import outage  # answers in this module's form

        if isinstance(error, Exception) and outage.is_outage(error):
            return respond(self.told(outage.problem()))
        return respond(Problem(500, "failed", _("Something went wrong here. It has been noted.")))

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        patterns = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _index if pattern.name == "api-root" else self._covered(pattern.callback)
        return patterns

    def _covered(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        """405 and what breaks outside an operation become problems too."""

        @wraps(view)
        def covered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                response = view(request, *args, **kwargs)
            except Exception as error:
                return self._on_any(request, error)
            if isinstance(response, HttpResponseNotAllowed):
                allowed = response["Allow"]
                return respond(
                    Problem(
                        405,
                        "method",
                        _("Here only %(methods)s is possible.") % {"methods": allowed},
                        headers={"Allow": allowed},
                    )
                )
            response.headers.setdefault("Cache-Control", "private, no-store")
            return response

        covered.csrf_exempt = True  # type: ignore[attr-defined]  # `Door` asks sessions for it
        return covered

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, with the problems and the security of every operation written out; made once."""
        if self._document is not None:
            return self._document
        document = super().get_openapi_schema(**options)
        document["components"]["securitySchemes"] = _SECURITY
        document["components"]["schemas"].update(_problem_schemas())
        document["components"]["responses"] = {
            "Problem": {
                "description": "A problem document (RFC 9457) in the language of Accept-Language or the account.",
                "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
            }
        }
        for methods in document["paths"].values():
            for operation in methods.values():
                _complete(operation)
        self._document = document
        return document


@lru_cache(maxsize=1)
def _problem_schemas() -> dict[str, Any]:
    schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    inner: dict[str, Any] = schema.pop("$defs")
    return {"ProblemBody": schema, **inner}


def _complete(operation: dict[str, Any]) -> None:
    has_body = "requestBody" in operation
    statuses = {*_ALWAYS, *(_WITH_BODY if has_body else (422,))}
    for status in sorted(statuses):
        # A status number may stand as int or text; a second one of the same would be a double in JSON.
        if status not in operation["responses"] and str(status) not in operation["responses"]:
            operation["responses"][status] = {"$ref": "#/components/responses/Problem"}
    if operation.get("x-access", {}).get("kind") != "public":
        operation["security"] = [{"token": []}, {"session": []}]


@public("where the API is described; holds no data")
def _index(request: HttpRequest) -> HttpResponse:
    """The root of the API: what it is and where its description stands."""
    return JsonResponse({"title": "Xiuhua", "version": "1.0.0", "openapi": f"{request.path}openapi.json"})


@public("says that there is nothing here")
def unknown(request: HttpRequest, path: str = "") -> HttpResponse:
    """Addresses under the API that nothing answers."""
    return respond(Problem(404, "not_found", _("There is nothing at this address.")))


unknown.csrf_exempt = True  # type: ignore[attr-defined]
