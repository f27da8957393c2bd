"""Guards, effects and outbox handlers by name.

Procedures name them in YAML; rooms register them with the decorators here, in the modules that their manifest
lists under ``imports``. A guard returns a sentence when it refuses, an effect changes the proposed `Change`;
neither does I/O. An outbox handler may do what it likes, and must bear being called twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xiuhua.casework.context import Change, Context
    from xiuhua.casework.models import Outbox

GuardFunction = Callable[..., str | None]
EffectFunction = Callable[..., None]


@dataclass(frozen=True)
class Registered:
    name: str
    call: Callable[..., Any]
    doc: str


_guards: dict[str, Registered] = {}
_effects: dict[str, Registered] = {}
_handlers: dict[str, Registered] = {}


def _register(store: dict[str, Registered], kind: str, name: str) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        if name in store and store[name].call.__module__ != function.__module__:
            raise ValueError(
                f"{kind} {name!r} is registered twice: {store[name].call.__module__}, {function.__module__}"
            )
        store[name] = Registered(name, function, (function.__doc__ or "").strip().split("\n")[0])
        return function

    return decorate


def guard(name: str) -> Callable[[GuardFunction], GuardFunction]:
    """``f(ctx: Context, **args) -> str | None``: a sentence for the user when the action is refused."""
    return _register(_guards, "guard", name)


def effect(name: str) -> Callable[[EffectFunction], EffectFunction]:
    """``f(ctx: Context, change: Change, **args) -> None``."""
    return _register(_effects, "effect", name)


def outbox(kind: str) -> Callable[[Callable[[Outbox], None]], Callable[[Outbox], None]]:
    """``f(row: Outbox) -> None``; raising means: try again later."""
    return _register(_handlers, "outbox handler", kind)


def run_guard(name: str, ctx: Context, args: dict[str, Any]) -> str | None:
    return _guards[name].call(ctx, **args)


def run_effect(name: str, ctx: Context, change: Change, args: dict[str, Any]) -> None:
    _effects[name].call(ctx, change, **args)


def handler(kind: str) -> Callable[[Outbox], None]:
    return _handlers[kind].call


def guard_names() -> frozenset[str]:
    return frozenset(_guards)


def effect_names() -> frozenset[str]:
    return frozenset(_effects)


def outbox_kinds() -> frozenset[str]:
    return frozenset(_handlers)


def autoload() -> None:
    """Import what the rooms register."""
    from xiuhua import manifest

    for room in manifest.rooms():
        for module in room.imports:
            import_module(module)
