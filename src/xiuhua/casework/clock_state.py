"""The state of a case's clocks and the operations that change it; pure.

Every action of a case may carry operations ("start intake", "pause handling", "extend by five working
days"). They stand in the event, so replaying the log gives every clock, and with the calendar every deadline,
again. A clock's state holds amounts and intervals only; what they count to, `clock_count` says.

Instants are UTC microseconds as int, and count from the whole second in which they fall.

Operations (JSON lists of strings, ints and null; an amount is ``[value, unit]``, value like "15" or "1/2")::

    ["start", name, amount, urgency?, calendar version?, original due?]    the last three may be left out
    ["restart", name, amount, urgency?, calendar version?, original due?]  ends this round, begins the next
    ["pause", name, reason code]      ["resume", name]      ["finish", name]
    ["extend", name, amount]
    ["take_back", name]                    the last pause counts as time used after all
    ["stop", name, from, to | null, ref]   a clock order; a later one with the same ref replaces it, and
                                           ``to <= from`` cancels it
    ["recount", calendar version]          every unfinished clock counts on this calendar from here on
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

MICRO = 1_000_000
UNITS = ("minute", "hour", "day", "work_hour", "work_day")

Op = list[Any]


class ClockError(ValueError):
    """An operation that does not fit the clock's state, or is malformed."""


class Calendar(Protocol):
    """What a clock asks of a calendar (`xiuhua.city.calendar.WorkCalendar`); whole seconds UTC."""

    @property
    def version(self) -> int: ...

    def after(self, second: int, amount: Fraction, unit: str) -> int:
        """First second at which `amount` has been counted since `second`."""

    def between(self, a: int, b: int, unit: str) -> Fraction:
        """Amount counted from `a` to `b`."""

    def stretches(self, a: int, b: int) -> Iterable[tuple[int, int, str, str, str]]:
        """What the seconds from `a` to `b` are: (a, b, office|closed_hours|weekend|holiday, names zh, en)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """An amount of time in one unit; exact, above zero."""

    value: Fraction
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ClockError(f"unknown unit {self.unit!r}; one of {', '.join(UNITS)}")
        if self.value <= 0:
            raise ClockError(f"a limit must be above zero, not {self.value}")

    @classmethod
    def of(cls, value: Fraction | Decimal | int | str, unit: str) -> Limit:
        """From "15", "2.5", "1/2", a Decimal, an int or a Fraction; floats are refused."""
        if isinstance(value, (bool, float)):
            raise ClockError(f"{value!r}: an amount is a whole number, a fraction or a decimal text")
        try:
            return cls(Fraction(value), unit)
        except (ValueError, ZeroDivisionError, TypeError) as error:
            if isinstance(error, ClockError):
                raise
            raise ClockError(f"{value!r} is no amount of time") from None

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Limit:
        if not isinstance(data, (list, tuple)) or len(data) != 2:
            raise ClockError(f"{data!r}: an amount is [value, unit]")
        return cls.of(data[0], data[1])

    def to_json(self) -> list[str]:
        return [str(self.value), self.unit]

    def times(self, ratio: Fraction | str) -> Limit:
        """This limit multiplied, for a rework limit of half the original."""
        return Limit(self.value * Fraction(ratio), self.unit)


class Pause(NamedTuple):
    """A pause from the case's own flow; `to` is None while it lasts and when the clock was finished in it."""

    start: int
    to: int | None
    reason: str


class Stop(NamedTuple):
    """A clock order (停表令) on this clock; `ref` is the order's document number or key."""

    start: int
    to: int | None
    ref: str


@dataclass(frozen=True, slots=True)
class ClockState:
    """One clock of one case. Instants are UTC microseconds on whole seconds."""

    name: str
    limit: Limit
    started: int
    round: int = 1
    urgency: str | None = None
    extensions: tuple[Limit, ...] = ()
    original_due: int | None = None
    segments: tuple[tuple[int, int | None], ...] = ()
    pauses: tuple[Pause, ...] = ()
    stops: tuple[Stop, ...] = ()
    finished: int | None = None
    calendar: int = 0
    past: tuple[ClockState, ...] = field(default=())  # earlier rounds, oldest first

    @property
    def running(self) -> bool:
        """Unfinished and not paused by the case's flow (a clock order may still stop it, see `stopped`)."""
        return self.finished is None and not self.paused

    @property
    def paused(self) -> bool:
        """Paused, or finished while it was paused."""
        return bool(self.pauses) and self.pauses[-1].to is None

    @property
    def reason(self) -> str:
        """Code of the reason of the present pause, or ''."""
        return self.pauses[-1].reason if self.paused else ""

    @property
    def parts(self) -> tuple[Limit, ...]:
        """The limit and its extensions, in the order in which they are used up."""
        return (self.limit, *self.extensions)

    def stopped(self, now: int) -> Stop | None:
        """The clock order that holds at `now`, if any."""
        return next((s for s in self.stops if s.start <= now and (s.to is None or now < s.to)), None)


Clocks = Mapping[str, ClockState]


# ---------------------------------------------------------------------------------------------- operations


def start_op(
    name: str,
    limit: Limit,
    at: int,
    calendar: Calendar | None = None,
    urgency: str | None = None,
    *,
    restart: bool = False,
) -> Op:
    """Operation that starts a clock (or its next round) with the promised deadline under `calendar`."""
    op: Op = ["restart" if restart else "start", name, limit.to_json()]
    if calendar is not None:
        due = calendar.after(at // MICRO, limit.value, limit.unit) * MICRO
        op += [urgency, calendar.version, due]
    elif urgency is not None:
        op += [urgency]
    return op


def enter_state(
    clocks: Clocks,
    run: Sequence[str],
    pause: Sequence[str],
    limits: Mapping[str, Limit],
    at: int,
    *,
    keep: Collection[str] = (),
    restart: Collection[str] = (),
    reason: str = "",
    calendar: Calendar | None = None,
    urgency: str | None = None,
    stops: Sequence[tuple[int, int | None, str]] = (),
) -> list[Op]:
    """Operations for entering a state: finish what is named nowhere, pause, resume, start.

    1. An unfinished clock in none of the lists finishes; one in `keep` stays as it is.
    2. A running clock in `pause` pauses with `reason` (a code, never free text); others there stay.
    3. A clock in `run` starts, or resumes if paused; a finished one, or one named in `restart`, begins a new
       round with `limits[name]`. Clock orders in force (`stops`) are laid on each clock that starts.

    Raises `ClockError` when a clock must start and `limits` has nothing for it.
    """
    ops: list[Op] = []
    kept = {*run, *pause, *keep}
    ops += [["finish", name] for name, c in clocks.items() if name not in kept and c.finished is None]
    for name in pause:
        if name not in run and name in clocks and clocks[name].running:
            ops.append(["pause", name, reason])
    for name in run:
        clock = clocks.get(name)
        if clock is not None and clock.finished is None and name not in restart:
            if clock.paused:
                ops.append(["resume", name])
            continue
        if name not in limits:
            raise ClockError(f"clock {name!r} must start and has no limit")
        ops.append(start_op(name, limits[name], at, calendar, urgency, restart=clock is not None))
        ops += [["stop", name, start, to, ref] for start, to, ref in stops]
    return ops


def apply(clocks: Clocks, op: Op, at: int) -> dict[str, ClockState]:
    """The clocks after one operation at `at` (UTC microseconds); the given mapping is left as it is."""
    at = _whole(at)
    try:
        kind, *args = op
    except (TypeError, ValueError):
        raise ClockError(f"{op!r} is no clock operation") from None
    if kind == "recount":
        (version,) = _args(op, args, 1, 1)
        if isinstance(version, bool) or not isinstance(version, int):
            raise ClockError(f"{op!r}: a calendar version is a number")
        return {n: c if c.finished is not None else replace(c, calendar=version) for n, c in clocks.items()}
    handler = _OPS.get(kind)
    if handler is None:
        raise ClockError(f"unknown clock operation {kind!r}")
    if not args or not isinstance(args[0], str):
        raise ClockError(f"{op!r}: the clock's name is missing")
    name, rest = args[0], args[1:]
    clock = clocks.get(name)
    if clock is None and kind not in ("start", "restart"):
        raise ClockError(f"clock {name!r} was never started and cannot {kind}")
    if clock is not None and kind != "stop" and at < _latest(clock):
        raise ClockError(f"{kind} {name!r} at {at} is before the clock's last change at {_latest(clock)}")
    return {**clocks, name: handler(clock, op, rest, at)}


def apply_all(clocks: Clocks, ops: Iterable[Op], at: int) -> dict[str, ClockState]:
    """The clocks after several operations at one instant."""
    result = dict(clocks)
    for op in ops:
        result = apply(result, op, at)
    return result


def replay(events: Iterable[tuple[int, Iterable[Op]]]) -> dict[str, ClockState]:
    """The clocks of a case from its log: pairs of (UTC microseconds, operations), oldest first."""
    clocks: dict[str, ClockState] = {}
    for at, ops in events:
        clocks = apply_all(clocks, ops, at)
    return clocks


def _start(clock: ClockState | None, op: Op, rest: list[Any], at: int) -> ClockState:
    if clock is not None and clock.finished is None:
        raise ClockError(f"clock {op[1]!r} runs already and cannot start")
    return _begin(clock, op, rest, at)


def _restart(clock: ClockState | None, op: Op, rest: list[Any], at: int) -> ClockState:
    if clock is not None and clock.finished is None:
        clock = _finish(clock, ["finish", clock.name], [], at)
    return _begin(clock, op, rest, at)


def _begin(clock: ClockState | None, op: Op, rest: list[Any], at: int) -> ClockState:
    amount, urgency, calendar, due = _args(op, rest, 1, 4)
    limit = Limit.from_json(amount)
    if urgency is not None and not isinstance(urgency, str):
        raise ClockError(f"{op!r}: an urgency is a code")
    for number in (calendar, due):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise ClockError(f"{op!r}: calendar version and original due are whole numbers")
    past: tuple[ClockState, ...] = ()
    stops: tuple[Stop, ...] = ()
    if clock is not None:
        past = (*clock.past, replace(clock, past=()))
        stops = tuple(s for s in clock.stops if s.to is None or s.to > at)
    return ClockState(
        name=op[1],
        limit=limit,
        started=at,
        round=1 if clock is None else clock.round + 1,
        urgency=urgency,
        original_due=due,
        segments=((at, None),),
        stops=stops,
        calendar=calendar or 0,
        past=past,
    )


def _pause(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    (reason,) = _args(op, rest, 1, 1)
    if not isinstance(reason, str):
        raise ClockError(f"{op!r}: the reason of a pause is a code")
    if not clock.running:
        raise ClockError(f"clock {clock.name!r} does not run and cannot pause")
    return replace(clock, segments=_close(clock.segments, at), pauses=(*clock.pauses, Pause(at, None, reason)))


def _resume(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    _args(op, rest, 0, 0)
    if clock.finished is not None or not clock.paused:
        raise ClockError(f"clock {clock.name!r} is not paused and cannot resume")
    last = clock.pauses[-1]
    return replace(
        clock,
        segments=(*clock.segments, (at, None)),
        pauses=(*clock.pauses[:-1], last._replace(to=at)),
    )


def _finish(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    _args(op, rest, 0, 0)
    if clock.finished is not None:
        raise ClockError(f"clock {clock.name!r} is finished already")
    segments = clock.segments if clock.paused else _close(clock.segments, at)
    return replace(clock, segments=segments, finished=at)


def _extend(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    (amount,) = _args(op, rest, 1, 1)
    if clock.finished is not None:
        raise ClockError(f"clock {clock.name!r} is finished and cannot be extended")
    return replace(clock, extensions=(*clock.extensions, Limit.from_json(amount)))


def _stop(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    start, to, ref = _args(op, rest, 3, 3)
    numbers = [n for n in (start, to) if n is not None]
    if start is None or not isinstance(ref, str) or any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        raise ClockError(f"{op!r}: a stop is [from, to or null, ref] in UTC microseconds")
    stop = Stop(_whole(start), None if to is None else _whole(to), ref)

    def laid(one: ClockState) -> ClockState:
        others = tuple(s for s in one.stops if s.ref != ref)
        cancelled = stop.to is not None and stop.to <= stop.start
        return replace(one, stops=others if cancelled else tuple(sorted((*others, stop), key=_stop_order)))

    return replace(laid(clock), past=tuple(laid(one) for one in clock.past))


def _take_back(clock: ClockState, op: Op, rest: list[Any], at: int) -> ClockState:
    """The last pause counts as time used after all (a refused return)."""
    _args(op, rest, 0, 0)
    if clock.finished is not None:
        raise ClockError(f"clock {clock.name!r} is finished and its pause cannot be taken back")
    if not clock.pauses:
        return clock
    last = clock.pauses[-1]
    begun = next(i for i, (_a, b) in enumerate(clock.segments) if b == last.start)
    after = clock.segments[begun + 1][1] if last.to is not None else None
    joined = (clock.segments[begun][0], after)
    rest_of = clock.segments[begun + 2 :] if last.to is not None else ()
    return replace(clock, segments=(*clock.segments[:begun], joined, *rest_of), pauses=clock.pauses[:-1])


_OPS: dict[str, Callable[[Any, Op, list[Any], int], ClockState]] = {
    "start": _start,
    "restart": _restart,
    "pause": _pause,
    "resume": _resume,
    "finish": _finish,
    "extend": _extend,
    "take_back": _take_back,
    "stop": _stop,
}


def _args(op: Op, rest: list[Any], least: int, most: int) -> list[Any]:
    if not least <= len(rest) <= most:
        raise ClockError(f"{op!r}: wrong number of parts")
    return [*rest, *[None] * (most - len(rest))]


def _whole(at: int) -> int:
    return at // MICRO * MICRO


def _stop_order(stop: Stop) -> tuple[int, str]:
    return stop.start, stop.ref


def _close(segments: tuple[tuple[int, int | None], ...], at: int) -> tuple[tuple[int, int | None], ...]:
    return (*segments[:-1], (segments[-1][0], at))


def _latest(clock: ClockState) -> int:
    """The last instant at which the clock itself changed."""
    marks = [clock.started, clock.segments[-1][0], clock.segments[-1][1], clock.finished]
    return max(m for m in marks if m is not None)


# ---------------------------------------------------------------------------------------------- JSON


def to_json(clocks: Clocks) -> dict[str, Any]:
    """As kept in `Case.clocks`: strings, ints, lists and null only."""
    return {name: _clock_json(clock) for name, clock in clocks.items()}


def from_json(data: Mapping[str, Any]) -> dict[str, ClockState]:
    """Back from `to_json`."""
    return {name: _clock_of(name, value) for name, value in data.items()}


def _clock_json(clock: ClockState) -> dict[str, Any]:
    return {
        "round": clock.round,
        "limit": clock.limit.to_json(),
        "urgency": clock.urgency,
        "extensions": [e.to_json() for e in clock.extensions],
        "original_due": clock.original_due,
        "started": clock.started,
        "segments": [list(s) for s in clock.segments],
        "pauses": [list(p) for p in clock.pauses],
        "stops": [list(s) for s in clock.stops],
        "finished": clock.finished,
        "calendar": clock.calendar,
        "past": [_clock_json(one) for one in clock.past],
    }


def _clock_of(name: str, data: Mapping[str, Any]) -> ClockState:
    return ClockState(
        name=name,
        round=data["round"],
        limit=Limit.from_json(data["limit"]),
        urgency=data["urgency"],
        extensions=tuple(Limit.from_json(e) for e in data["extensions"]),
        original_due=data["original_due"],
        started=data["started"],
        segments=tuple((a, b) for a, b in data["segments"]),
        pauses=tuple(Pause(*p) for p in data["pauses"]),
        stops=tuple(Stop(*s) for s in data["stops"]),
        finished=data["finished"],
        calendar=data["calendar"],
        past=tuple(_clock_of(name, one) for one in data["past"]),
    )
