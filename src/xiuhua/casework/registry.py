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
    from xiuhua.manifest import Text

GuardFunction = Callable[..., str | None]
ListenerFunction = Callable[["Context", "Change"], None]
EffectFunction = Callable[..., None]


@dataclass(frozen=True)
class Registered:
    name: str
    call: Callable[..., Any]
    doc: str
    in_order: bool = True
    title: Text | None = None


_guards: dict[str, Registered] = {}
_effects: dict[str, Registered] = {}
_handlers: dict[str, Registered] = {}
_listeners: dict[str, ListenerFunction] = {}


def _register(
    store: dict[str, Registered], kind: str, name: str, in_order: bool = True, title: Text | None = None
) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        if name in store and store[name].call.__module__ != function.__module__:
            raise ValueError(
                f"{kind} {name!r} is registered twice: {store[name].call.__module__}, {function.__module__}"
            )
        doc = (function.__doc__ or "").strip().split("\n")[0]
        store[name] = Registered(name, function, doc, in_order, title)
        return function

    return decorate


def guard(name: str) -> Callable[[GuardFunction], GuardFunction]:
    """``f(ctx: Context, **args) -> str | None``: a sentence for the user when the action is refused."""
    return _register(_guards, "guard", name)


def effect(name: str) -> Callable[[EffectFunction], EffectFunction]:
    """``f(ctx: Context, change: Change, **args) -> None``."""
    return _register(_effects, "effect", name)


def outbox(
    kind: str, *, in_order: bool = True, title: Text | None = None
) -> Callable[[Callable[[Outbox], None]], Callable[[Outbox], None]]:
    """``f(row: Outbox) -> None``; raising means: try again later (`trouble.py`).

    ``in_order=False``: rows of this kind neither wait for earlier rows of their case nor hold up later ones, as a
    telephone that is switched off must not stop a procedure. ``title`` is what the operators read.
    """
    return _register(_handlers, "outbox handler", kind, in_order, title)


def listener(function: ListenerFunction) -> ListenerFunction:
    """``f(ctx, change) -> None`` at every step of every procedure, when all is settled: it may queue effects, nothing else.

    It stands in the transaction of `advance`: arithmetic only. It is not asked for steps that are taken back, nor when
    histories are loaded in bulk.
    """
    _listeners[f"{function.__module__}.{function.__name__}"] = function
    return function


def tell_listeners(ctx: Context, change: Change) -> None:
    for listen in _listeners.values():
        listen(ctx, change)


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


def unordered_kinds() -> list[str]:
    """Outbox kinds that stand outside the order of their case."""
    return sorted(name for name, known in _handlers.items() if not known.in_order)


def title_of_kind(kind: str) -> Text | str:
    """What an outbox kind does, in words; its name when nobody says."""
    known = _handlers.get(kind)
    return known.title if known is not None and known.title is not None else kind


def autoload() -> None:
    """Import what the rooms register."""
    from xiuhua import manifest

    for room in manifest.rooms():
        for module in room.imports:
            import_module(module)
