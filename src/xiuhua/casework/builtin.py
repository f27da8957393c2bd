"""What every procedure has without saying so: the engine's own actions, generic guards and effects, tallies."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from xiuhua.casework import clock, clock_count, projection
from xiuhua.casework.context import Change, Context
from xiuhua.casework.moments import to_us
from xiuhua.casework.procedures import Action, Call, Collect, Field, Procedure
from xiuhua.casework.registry import effect, guard
from xiuhua.manifest import Text

LOCAL = ZoneInfo("Asia/Shanghai")
CANCELLED = "cancelled"
_CANCELLED_TITLE = Text("已取消", "Cancelled")

#: Outbox kinds that are delivered right after the commit; the worker repairs what was missed.
AT_ONCE = frozenset({"join", "cancel_children", "tally", "share_clock", "erase_stores"})


#: The engine's own actions that a user may ask for, each by the function that checks who may (`reveal`, `erase`, `undo`).
BY_USERS = {"reveal", "erase", "undo"}
_REASON = Field(name="reason", type="long_text", title=Text("事由", "Reason"), required=True)
_EVIDENCE = Field(
    name="keep_evidence", type="bool", title=Text("保全照片和文件作为证据", "Keep photos and files as evidence")
)


def _own(code: str, zh: str, en: str, **more: Any) -> Action:
    return Action(code=code, title=Text(zh, en), system=True, **more)


#: Actions of the engine itself, possible in every state.
ACTIONS: dict[str, Action] = {
    a.code: a
    for a in (
        _own("child_ended", "子任务完成", "Task ended"),
        _own("cancel", "取消", "Cancel", to=CANCELLED),
        _own("clock_warning", "时限预警", "Time warning"),
        _own("recount", "重算时限", "Deadline counted again"),
        _own("reveal", "查看个人信息", "Personal data shown", form=(_REASON,)),
        _own(
            "erase", "清除个人信息", "Personal data erased", form=(_REASON, _EVIDENCE), effects=(Call("erase_stores"),)
        ),
        _own("undo", "撤销批量操作", "Bulk action taken back"),
    )
}


def own_action(code: str, zh: str, en: str) -> str:
    """An action that a room adds for every procedure: taken with a note (`Extra`), it changes nothing. Returns its code.

    The room checks who may; a door that brings no note is refused.
    """
    ACTIONS[code] = _own(code, zh, en)
    BY_USERS.add(code)
    return code


def state_title(rules: Procedure, state: str) -> Text:
    found = rules.states.get(state)
    return found.title if found else _CANCELLED_TITLE


def action_title(rules: Procedure, code: str) -> Text:
    found = rules.actions.get(code) or ACTIONS.get(code)
    return found.title if found else Text(code, code)


def cancelled_columns(now: datetime) -> dict[str, Any]:
    return {
        "open": False,
        "outcome": CANCELLED,
        "closed_at": now,
        "holder_role": "",
        "holder_org_id": None,
        "holder_user_id": None,
    }


def end_of(value: Any) -> datetime:
    """The end of a day ("2026-12-01"), or the instant of an ISO 8601 text or microseconds."""
    if isinstance(value, int):
        from xiuhua.casework.moments import from_us

        return from_us(value)
    if len(str(value)) == 10:
        return datetime.combine(date.fromisoformat(str(value)), time.max, LOCAL).replace(microsecond=0)
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=LOCAL)


# --- several hands --------------------------------------------------------------------------------------------


def hands_of(named: Any, seq: int) -> list[dict[str, Any]]:
    """Seats of a collect state from the answer of a `hands` field: user ids, or {user|organisation|role, lead}."""
    seats = []
    for position, one in enumerate(named or []):
        seat = dict(one) if isinstance(one, dict) else {"user": one}
        seats.append({**seat, "slot": f"{seq}.{position}", "choice": ""})
    return seats


def mark_hand(context: Context, collect: Collect) -> list[dict[str, Any]]:
    """The seats after this actor's one act; the choice is the answer named ``choice`` (default yes)."""
    from xiuhua.casework.permits import hand_is

    marked, done = [], False
    for seat in context.case.hands:
        if not done and not seat["choice"] and hand_is(context.actor, seat, context.case):
            seat, done = {**seat, "choice": str(context.data.get("choice") or "yes")}, True
        marked.append(seat)
    return marked


def tally(seats: list[dict[str, Any]], rule: str) -> str:
    """ "yes" or "no" as soon as the rule is decided, "" before.

    all: every one says yes; any: one does; majority and two_thirds of all seats; lead: the seat marked ``lead``.
    """
    total = len(seats)
    yes = sum(s["choice"] == "yes" for s in seats)
    no = sum(bool(s["choice"]) and s["choice"] != "yes" for s in seats)
    if rule == "lead":
        lead = next((s for s in seats if s.get("lead")), seats[0] if seats else None)
        return "" if lead is None or not lead["choice"] else "yes" if lead["choice"] == "yes" else "no"
    need = {"all": total, "any": 1, "majority": total // 2 + 1, "two_thirds": -(-2 * total // 3)}[rule]
    if yes >= need:
        return "yes"
    return "no" if total - no < need else ""


# --- guards ---------------------------------------------------------------------------------------------------


@guard("located")
def located(ctx: Context, value: Any = True) -> str | None:
    """The case has a position inside the city."""
    return None if ctx.case.county or ctx.data.get("position") else _("Give the place on the map first.")


@guard("joined")
def joined(ctx: Context, value: str = "all", relation: str = "") -> str | None:
    """Children have ended: all of them, any one, or the lead."""
    kept = ctx.case.children_open
    entries = [kept[relation]] if relation in kept else [] if relation else list(kept.values())
    ended = sum(e["made"] - e["open"] for e in entries)
    if value == "any":
        ok = not entries or ended > 0
    elif value == "lead":
        ok = not any(e["lead_open"] for e in entries)
    else:
        ok = not any(e["open"] for e in entries)
    return None if ok else _("Other hands still work on this case; wait until they have finished.")


@guard("no_open")
def no_open(ctx: Context, value: str = "", relation: str = "") -> str | None:
    """No child of the relation is open."""
    if ctx.relation(value or relation)["open"]:
        return _("There is an open request or task of this kind already.")
    return None


@guard("has_open")
def has_open(ctx: Context, value: str = "", relation: str = "") -> str | None:
    """A child of the relation is open."""
    return None if ctx.relation(value or relation)["open"] else _("There is no open task of this kind.")


@guard("no_child")
def no_child(ctx: Context, value: str = "", relation: str = "") -> str | None:
    """No child of the relation was ever made."""
    return _("This has been done once already.") if ctx.relation(value or relation)["made"] else None


@guard("facts")
def facts(ctx: Context, **wanted: Any) -> str | None:
    """Columns or facts have the given values."""
    for name, value in wanted.items():
        try:
            found = getattr(ctx.case, projection.attname(name))
        except Exception:
            found = ctx.case.facts.get(name)
        if found != value and not (isinstance(value, list) and found in value):
            return _("The case is not in the condition that this needs.")
    return None


@guard("max")
def maximum(ctx: Context, column: str, value: int) -> str | None:
    """A counter has not reached its maximum."""
    if getattr(ctx.case, column) >= int(value):
        return _("This is possible %(count)s times at most.") % {"count": value}
    return None


@guard("min")
def minimum(ctx: Context, column: str, value: int) -> str | None:
    """A counter has reached its minimum."""
    if getattr(ctx.case, column) < int(value):
        return _("This is possible from the %(count)s. time on.") % {"count": value}
    return None


@guard("within_days")
def within_days(ctx: Context, of: str, days: int) -> str | None:
    """Not more than so many days have passed since an instant of the case."""
    at = getattr(ctx.case, of)
    if at is None or ctx.now - at > timedelta(days=int(days)):
        return _("This is possible within %(days)s days only.") % {"days": days}
    return None


@guard("not_overdue")
def not_overdue(ctx: Context, value: str = "handling") -> str | None:
    """A clock has not run past its limit."""
    state = clock.from_json(ctx.case.clocks).get(value)
    if state is not None and clock_count.is_overdue(state, ctx.calendar, to_us(ctx.now)):
        return _("The limit has already passed.")
    return None


@guard("was_overdue")
def was_overdue(ctx: Context, value: str = "handling") -> str | None:
    """A clock ran past its limit in one of its rounds."""
    state = clock.from_json(ctx.case.clocks).get(value)
    rounds = (*state.past, state) if state is not None else ()
    if any(clock_count.is_overdue(r, ctx.calendar, to_us(ctx.now)) for r in rounds):
        return None
    return _("The limit was kept; there is nothing to appeal against.")


@guard("no_handler")
def no_handler(ctx: Context, value: Any = True) -> str | None:
    """Nobody is assigned: an assigned handler must be recalled first."""
    return _("Recall the assigned handler first.") if ctx.case.holder_user_id is not None else None


# --- effects --------------------------------------------------------------------------------------------------


@effect("set")
def set_columns(ctx: Context, change: Change, **columns: Any) -> None:
    """Set columns of the case."""
    for name, value in columns.items():
        if name in projection.TEXT_COLUMNS:
            change.texts[name] = value or ""
        else:
            change.columns[projection.attname(name)] = value


@effect("count")
def count(ctx: Context, change: Change, value: str, by: int = 1) -> None:
    """Count a column up."""
    change.count(ctx.case, value, by)


@effect("stamp")
def stamp(ctx: Context, change: Change, value: str) -> None:
    """Set a time column to the moment of the action."""
    change.columns[value] = ctx.now


@effect("facts")
def set_facts(ctx: Context, change: Change, **values: Any) -> None:
    """Keep codes that are only shown."""
    change.columns["facts"] = {**change.columns.get("facts", {}), **values}


@effect("notify")
def notify(ctx: Context, change: Change, value: str = "", **about: Any) -> None:
    """Queue a notice by name; who receives it is decided when it is delivered."""
    change.send("notice", value, **about)
