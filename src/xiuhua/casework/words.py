"""A clock in words, with state and icon: "2 hours 15 minutes left", "1 day overdue", "paused: on hold".

The text alone says all that colour and icon say. Continuous limits are told on the wall clock; working units
in working days from one day up, below that in office time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from xiuhua.casework.clock_count import Remaining, overdue_seconds, remaining, used_share
from xiuhua.casework.clock_state import Calendar, ClockState

GREEN, AMBER, RED, PAUSED = "green", "amber", "red", "paused"
#: Tabler icons by state; `done` for a clock that was finished in time.
ICONS = {
    GREEN: "clock",
    AMBER: "clock-exclamation",
    RED: "alert-triangle",
    PAUSED: "clock-pause",
    "done": "clock-check",
}
AMBER_FROM = 80  # percent of the limit, `ui.md` rule 3


@dataclass(frozen=True, slots=True)
class ClockWords:
    """`state` is green, amber, red or paused; `percent` of the limit is used, rounded down."""

    text: str
    state: str
    icon: str
    percent: int

    def __str__(self) -> str:
        return self.text


def clock_words(
    clock: ClockState, calendar: Calendar, now: int, *, reasons: Mapping[str, str] | None = None
) -> ClockWords:
    """What to show for a clock at `now` (UTC microseconds) in the active language.

    `reasons` has titles for the reason codes of pauses; a code without one stands for itself.
    """
    percent = int(used_share(clock, calendar, now) * 100)
    over = overdue_seconds(clock, calendar, now)
    if clock.finished is not None:
        if over:
            return _words(_("finished %(time)s late") % {"time": duration(over)}, RED, percent)
        return ClockWords(_("finished in time"), GREEN, ICONS["done"], percent)
    halt = _halt(clock, now, reasons or {})
    if over:
        text = _("%(time)s overdue") % {"time": duration(over)}
        return _words(_("%(time)s (%(reason)s)") % {"time": text, "reason": halt} if halt else text, RED, percent)
    text = left(remaining(clock, calendar, now))
    if halt:
        return _words(_("%(reason)s, %(left)s") % {"reason": halt, "left": text}, PAUSED, percent)
    return _words(text, AMBER if percent >= AMBER_FROM else GREEN, percent)


def left(rest: Remaining) -> str:
    """Remaining time: "2 hours 15 minutes left", in working units "2.5 working days left"."""
    units = {part.unit for part in rest.parts}
    if units == {"work_day"} and rest.value >= 1:
        tenths = int(rest.value * 10)
        whole, tenth = divmod(tenths, 10)
        if tenth:
            return _("%(count)s working days left") % {"count": f"{whole}.{tenth}"}
        return ngettext("%(count)d working day left", "%(count)d working days left", whole) % {"count": whole}
    if units and units <= {"work_hour", "work_day"}:
        return _("%(time)s of office time left") % {"time": duration(rest.office_seconds)}
    return _("%(time)s left") % {"time": duration(max(0, rest.wall_seconds))}


def duration(seconds: int) -> str:
    """The two greatest of days, hours and minutes, rounded down: "1 day 3 hours", "15 minutes"."""
    if seconds < 60:
        return _("less than a minute")
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes = rest // 60
    parts = [
        (days, ngettext("%(count)d day", "%(count)d days", days)),
        (hours, ngettext("%(count)d hour", "%(count)d hours", hours)),
        (minutes, ngettext("%(count)d minute", "%(count)d minutes", minutes)),
    ]
    first = next(i for i, (count, _text) in enumerate(parts) if count)
    return " ".join(text % {"count": count} for count, text in parts[first : first + 2] if count)


def _halt(clock: ClockState, now: int, reasons: Mapping[str, str]) -> str:
    """Why the clock does not run, or ''."""
    if clock.paused:
        reason = reasons.get(clock.reason, clock.reason)
        return _("paused: %(reason)s") % {"reason": reason} if reason else _("paused")
    stop = clock.stopped(now)
    return _("stopped by order %(ref)s") % {"ref": stop.ref} if stop is not None else ""


def _words(text: str, state: str, percent: int) -> ClockWords:
    return ClockWords(text, state, ICONS[state], percent)
