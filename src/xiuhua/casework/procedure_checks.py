"""What must agree between the parts of a procedure, and between procedures: names, ways, clocks, forms,
children.

Parts whose shape is already wrong are known here only by name, so one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xiuhua.casework.form_checks import check_form
from xiuhua.casework.procedures import Draft, Known, origin_states, outcome_of
from xiuhua.casework.schema import (
    UNIT_ROLES,
    UNITS,
    Action,
    Call,
    Field,
    Spawn,
    State,
)
from xiuhua.casework.yaml_source import Path, ProcedureFault

Near = Mapping[str, Draft]

POSITION = "position"  # pseudo column: the columns of a place, written together
CONTEXT_WORDS = frozenset({"actor", "now", "today"})  # `$actor`, `$now`, `$today`


def cross_check(draft: Draft, near: Near, known: Known) -> list[ProcedureFault]:
    """Every fault between parts of one draft; ``near`` holds the other procedures by code (its own variant
    first).
    """
    return _Checker(draft, near, known).run()


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every ``$name`` in arguments, with its place."""
    if isinstance(value, str) and value.startswith("$"):
        yield path, value[1:]
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))


class _Checker:
    """One pass over one draft; `say` collects."""

    def __init__(self, draft: Draft, near: Near, known: Known) -> None:
        self.draft, self.near, self.known = draft, near, known
        self.states, self.actions, self.clocks = draft.states, draft.actions, draft.clocks
        self.state_names = set(draft.named("states"))
        self.action_names = set(draft.named("actions"))
        self.clock_names = set(draft.named("clocks"))
        self.faults: list[ProcedureFault] = []
        self.answers = {field.name: field for action in self.actions.values() for field in action.form}
        self.facts = {*self.answers} | {
            name
            for action in self.actions.values()
            for effect in action.effects
            if effect.name == "facts"
            for name in effect.args
        }
        self.relations = {spawn.relation for action in self.actions.values() for spawn in action.spawn}
        self.origins = {code: origin_states(action, self.states) for code, action in self.actions.items()}

    def say(self, path: Path, zh: str, en: str) -> None:
        self.faults.append(self.draft.source.fault(path, zh, en))

    def run(self) -> list[ProcedureFault]:
        for clock in self.clocks:
            self.check_clock(clock)
        for state in self.states.values():
            self.check_state(state)
        for action in self.actions.values():
            self.check_action(action)
        self.check_keys()
        if self.draft.whole:
            self.check_ways()
            self.check_clocks_run()
        return self.faults

    def broken(self, *path: str | int) -> bool:
        """Was this key of a part left out because its shape is wrong (and has been reported)?"""
        return path in self.draft.dropped

    # -- names --

    def known_name(self, path: Path, name: str, names: frozenset[str] | set[str] | None, zh: str, en: str) -> bool:
        if names is None or name in names:
            return True
        self.say(path, f"没有名为 {name} 的{zh}", f"there is no {en} {name!r}")
        return False

    def role(self, path: Path, code: str) -> None:
        self.known_name(path, code, self.known.roles, "角色", "role")

    def column(self, path: Path, name: Any) -> None:
        if not isinstance(name, str):
            self.say(path, "应为案件字段名", "must name a column of the case")
        elif name != POSITION:
            self.known_name(path, name, self.known.columns, "案件字段", "column")

    def reference(
        self, path: Path, name: str, action: Action | None, fields: Mapping[str, Field] | None = None
    ) -> None:
        """``$field`` of this form, ``$case.column``, ``$facts.answer`` of any form,
        ``$actor``/``$now``/``$today``.
        """
        root, _, rest = name.partition(".")
        if rest and root == "case":
            self.column(path, rest)
        elif rest and root == "facts":
            if rest not in self.answers and self.draft.whole:
                self.say(path, f"没有表单字段 {rest}", f"no form has a field {rest!r}")
        elif rest:
            self.say(path, f"不认识的引用 ${name}", f"unknown reference ${name}")
        elif name not in CONTEXT_WORDS:
            names = fields if fields is not None else {field.name for field in action.form} if action else set()
            if name not in names and not (action and self.broken("actions", action.code, "form")):
                self.say(path, f"表单中没有字段 {name}", f"the form has no field {name!r}")

    # -- clocks --

    def check_clock(self, code: str) -> None:
        rule, path = self.clocks[code], ("clocks", code)
        limit = rule.limit
        if limit.kind == "of":
            if limit.of == code:
                self.say((*path, "limit", "of"), "计时不能以自己为准", "a clock cannot be a part of itself")
            else:
                self.known_name((*path, "limit", "of"), limit.of, self.clock_names, "计时", "clock")
                other = self.clocks.get(limit.of)
                if other and other.limit.kind not in ("amount", "condition"):
                    self.say(
                        (*path, "limit", "of"),
                        "只能以有自身期限的计时为准",
                        "only a clock with a limit of its own can be divided",
                    )
        if limit.kind == "until":
            field = self.answers.get(limit.until)
            if field is None and self.draft.whole:
                self.say(
                    (*path, "limit", "until"),
                    f"没有表单字段 {limit.until}",
                    f"no form has a field {limit.until!r}",
                )
            elif field is not None and field.type not in ("date", "datetime"):
                self.say(
                    (*path, "limit", "until"),
                    "until 应指日期字段",
                    "until must name a date or datetime field",
                )
        if list(rule.warn) != sorted(set(rule.warn)):
            self.say((*path, "warn"), "提醒百分比应从小到大且不重复", "warnings must rise and not repeat")
        if rule.sample and not rule.source:
            self.say(path, "样例期限须写明来源 source", "a sample limit needs its source")
        if rule.expire:
            where = (*path, "expire")
            if self.known_name(where, rule.expire, self.action_names, "动作", "action"):
                action = self.actions.get(rule.expire)
                if action and not action.system:
                    self.say(
                        where,
                        f"动作 {rule.expire} 未标 system: true",
                        f"action {rule.expire!r} is not system: true",
                    )
                for state in self.states.values() if not self.broken("actions", rule.expire, "from") else ():
                    if action and code in state.run and state.code not in self.origins[rule.expire]:
                        self.say(
                            where,
                            f"计时在状态 {state.code} 中运行，但动作 {rule.expire} 不能在该状态执行",
                            f"the clock runs in state {state.code!r}, where {rule.expire!r} is not possible",
                        )

    def check_clocks_run(self) -> None:
        running = {code for state in self.states.values() for code in state.run}
        for code in self.clocks:
            if code not in running:
                self.say(("clocks", code), f"计时 {code} 从不运行", f"clock {code!r} never runs")

    # -- states --

    def check_state(self, state: State) -> None:
        path: Path = ("states", state.code)
        stages = self.draft.head.stages if self.draft.head else {}
        if stages and not self.broken(*path, "stage"):
            self.known_name((*path, "stage"), state.stage, set(stages), "阶段", "stage")
        seen: dict[str, str] = {}
        for part in ("run", "pause", "keep"):
            for index, code in enumerate(getattr(state, part)):
                where = (*path, part, index)
                self.known_name(where, code, self.clock_names, "计时", "clock")
                if code in seen:
                    self.say(
                        where,
                        f"计时 {code} 已列在 {seen[code]} 中",
                        f"clock {code!r} is already in {seen[code]!r}",
                    )
                seen[code] = part
        mains = [code for code in state.run if code in self.clocks and self.clocks[code].main]
        if len(mains) > 1:
            self.say((*path, "run"), "同一状态只能运行一个主计时", "only one main clock may run in a state")
        if state.final:
            if state.holder or state.collect:
                self.say(path, "终态没有持有人", "a final state has no holder")
            if state.run or state.pause or state.keep:
                self.say(path, "终态不计时", "a final state has no clocks")
        else:
            if state.outcome:
                self.say((*path, "outcome"), "只有终态有结果", "only a final state has an outcome")
            unsure = self.broken(*path, "holder") or self.broken(*path, "collect") or self.broken(*path, "final")
            if not state.holder and not state.collect and not unsure:
                self.say(path, "缺少持有人 holder", "holder is missing")
        if state.holder:
            where = (*path, "holder")
            if state.holder.role:
                self.role((*where, "role"), state.holder.role)
            if state.holder.children:
                self.known_name(
                    (*where, "children"),
                    state.holder.children,
                    self.relations,
                    "子案件关系",
                    "child relation",
                )
                self.check_children_cover(state)
            elif not state.holder.role and state.holder.user == "none":
                self.say(where, "持有人须有 role、user 或 children", "a holder needs role, user or children")
        if state.collect:
            self.check_collect(state)

    def check_collect(self, state: State) -> None:
        collect, path = state.collect, ("states", state.code, "collect")
        assert collect is not None
        field = self.answers.get(collect.source)
        if field is None and self.draft.whole:
            self.say((*path, "from"), f"没有表单字段 {collect.source}", f"no form has a field {collect.source!r}")
        elif field is not None and field.type != "hands":
            self.say((*path, "from"), "应指类型为 hands 的字段", "must name a field of type hands")
        if self.known_name((*path, "action"), collect.action, self.action_names, "动作", "action"):
            action = self.actions.get(collect.action)
            if action and (state.code not in self.origins[collect.action] or action.to):
                self.say(
                    (*path, "action"),
                    "该动作须能在本状态执行且不改变状态",
                    "the action must be possible in this state and stay in it",
                )
        if "yes" not in collect.then:
            self.say((*path, "then"), "缺少 yes 的去向", "'yes' needs an action")
        for choice, code in collect.then.items():
            if self.known_name((*path, "then", choice), code, self.action_names, "动作", "action"):
                self.system_action((*path, "then", choice), code, {state.code})

    def check_children_cover(self, state: State) -> None:
        """Whoever waits for children must know what to do at each of their ends."""
        assert state.holder is not None
        for action in self.actions.values():
            for index, spawn in enumerate(action.spawn):
                child = self.near.get(spawn.procedure)
                if action.to != state.code or spawn.relation != state.holder.children or child is None:
                    continue
                if child.whole and (missing := _outcomes(child) - set(spawn.on_end)):
                    self.say(
                        ("actions", action.code, "spawn", index, "on_end"),
                        f"状态 {state.code} 等待子案件，但未说明结果 {'、'.join(sorted(missing))} 的去向",
                        f"state {state.code!r} waits for the child, but on_end lacks " + ", ".join(sorted(missing)),
                    )

    # -- actions --

    def check_action(self, action: Action) -> None:
        path: Path = ("actions", action.code)
        if action.start:
            if action.origin is not None:
                self.say((*path, "from"), "起始动作没有 from", "a start action has no from")
            if action.to is None and not self.broken(*path, "to"):
                self.say(path, "起始动作须有 to", "a start action needs 'to'")
        elif action.origin is None and not self.broken(*path, "from") and not self.broken(*path, "start"):
            self.say(path, "缺少 from：在哪些状态可执行", "'from' is required: the states in which it may be taken")
        if action.to:
            self.known_name((*path, "to"), action.to, self.state_names, "状态", "state")
        if action.origin:
            stages = {state.stage for state in self.states.values()}
            for code in (*action.origin.states, *action.origin.without):
                self.known_name((*path, "from"), code, self.state_names, "状态", "state")
            if self.draft.whole:
                for stage in action.origin.stages:
                    self.known_name((*path, "from"), stage, stages, "阶段", "stage")
            if self.draft.whole and action.origin.wide and not self.origins[action.code]:
                self.say((*path, "from"), "没有任何状态符合", "no state fits")
        unsure = any(self.broken(*path, key) for key in ("by", "across", "holder", "system"))
        if not (action.by or action.across or action.holder or action.system or unsure):
            self.say(path, "无人可执行：须有 by、holder 或 system", "nobody can do it: needs by, holder or system")
        for index, role in enumerate(action.by):
            self.role((*path, "by", index), role)
        self.check_across(action, path)
        check_form(action, self.say, self.column, self.role)
        for part, names, zh, en in (
            ("guards", self.known.guards, "条件", "guard"),
            ("effects", self.known.effects, "效果", "effect"),
        ):
            for index, call in enumerate(getattr(action, part)):
                where = (*path, part, index)
                self.known_name(where, call.name, names, zh, en)
                for rest, name in references(call.args):
                    self.reference((*where, *rest), name, action)
                self.check_call(where, call, action)
        self.check_assigns(action)
        self.check_clock_change(action)
        for index, spawn in enumerate(action.spawn):
            self.check_spawn(action, spawn, (*path, "spawn", index))

    def check_across(self, action: Action, path: Path) -> None:
        """Roles of the supervising platform: a unit's roles act where their unit has the case, whatever the platform."""
        if action.across and action.start:
            self.say((*path, "across"), "起始动作没有 across", "a start action has no across")
        for index, role in enumerate(action.across):
            where = (*path, "across", index)
            self.role(where, role)
            if role in UNIT_ROLES:
                self.say(where, f"单位角色 {role} 不能越级办理", f"the unit role {role!r} cannot act across platforms")

    def check_assigns(self, action: Action) -> None:
        if action.assigns is None:
            return
        for part in ("platform", "organisation", "user"):
            value, where = getattr(action.assigns, part), ("actions", action.code, "assigns", part)
            if value is None:
                continue
            if not value.startswith("$"):
                self.say(where, "应写成 $字段", "must be a $field")
                continue
            self.reference(where, value[1:], action)
            field = action.field(value[1:])
            if field and field.type != part:
                self.say(
                    where,
                    f"字段 {field.name} 的类型应为 {part}",
                    f"field {field.name!r} must be of type {part}",
                )
            if part in action.assigns.clear:
                self.say(where, "不能同时指派和清除", "cannot assign and clear at once")
        if action.assigns.platform is not None:
            place: Path = ("actions", action.code, "assigns")
            if set(action.assigns.clear) != {"organisation", "user"}:
                self.say(
                    place,
                    "移交平台时须清除单位和人员：clear: [organisation, user]",
                    "handing over to a platform must clear unit and person: clear: [organisation, user]",
                )
            if action.start:
                self.say(place, "起始动作不能移交平台", "a start action cannot hand over to a platform")

    def check_clock_change(self, action: Action) -> None:
        change, path = action.clocks, ("actions", action.code, "clocks")
        if change is None:
            return
        for part in ("restart", "take_back"):
            for index, code in enumerate(getattr(change, part)):
                self.known_name((*path, part, index), code, self.clock_names, "计时", "clock")
        if extend := change.extend:
            where = (*path, "extend")
            self.known_name((*where, "clock"), extend.clock, self.clock_names, "计时", "clock")
            if (extend.by is None) == (extend.value is None):
                self.say(where, "by 与 value 须写且只写一个", "needs either by or value")
            if extend.by is None:
                if not isinstance(extend.unit, str) or not (extend.unit in UNITS or extend.unit.startswith("$")):
                    self.say(
                        (*where, "unit"),
                        f"单位应为 {'、'.join(UNITS)} 之一",
                        f"unit must be one of {', '.join(UNITS)}",
                    )
                for part in ("value", "unit"):
                    for rest, name in references(getattr(extend, part)):
                        self.reference((*where, part, *rest), name, action)

    def check_call(self, where: Path, call: Call, action: Action) -> None:
        """The arguments of the engine's own guards and effects."""
        args, value = call.args, call.args.get("value")
        if call.name == "set":
            for name in args:
                self.column((*where, "set", name), name)
        elif call.name in ("count", "stamp", "empty", "filled"):
            self.column((*where, call.name), value)
        elif call.name in ("max", "min"):
            self.column((*where, call.name, "column"), args.get("column"))
            if not isinstance(value, int) or isinstance(value, bool):
                self.say((*where, call.name, "value"), "value 应为整数", "value must be a whole number")
        elif call.name == "within_days":
            self.column((*where, call.name, "of"), args.get("of"))
            if not isinstance(args.get("days"), int):
                self.say((*where, call.name, "days"), "days 应为整数", "days must be a whole number")
        elif call.name == "joined":
            if args.get("value", "all") not in ("any", "all", "lead"):
                self.say((*where, "joined"), "应为 all、any 或 lead", "must be all, any or lead")
            if "relation" in args:
                place = (*where, "joined", "relation")
                self.known_name(place, str(args["relation"]), self.relations, "子案件关系", "child relation")
        elif call.name in ("no_open", "has_open", "no_child", "withdraw"):
            if value is not None:
                self.known_name((*where, call.name), str(value), self.relations, "子案件关系", "child relation")
        elif call.name in ("not_overdue", "was_overdue"):
            self.known_name((*where, call.name), str(value), self.clock_names, "计时", "clock")
        elif call.name == "facts" and call in action.guards:
            for name in args:
                if name not in self.facts and name not in (self.known.columns or (name,)) and self.draft.whole:
                    self.say((*where, "facts", name), f"没有字段 {name}", f"there is no field or column {name!r}")
        elif call.name == "ticked":
            field = action.field(str(value))
            if (field is None or field.type != "bool") and not self.broken("actions", action.code, "form"):
                self.say((*where, "ticked"), f"表单中没有是否字段 {value}", f"the form has no bool field {value!r}")
        elif call.name == "needs_answer":
            if action.field(str(args.get("field"))) is None and not self.broken("actions", action.code, "form"):
                asked = args.get("field")
                self.say(
                    (*where, "needs_answer", "field"),
                    f"表单中没有字段 {asked}",
                    f"the form has no field {asked!r}",
                )
            when = args.get("when")
            for name in when if isinstance(when, Mapping) else ():
                self.column((*where, "needs_answer", "when", name), name)
        elif call.name == "outbox":
            self.known_name(
                (*where, "outbox"), str(args.get("kind", value)), self.known.outbox, "消息类型", "outbox kind"
            )

    def check_keys(self) -> None:
        """One key, one action, in each state and at the start."""
        places: dict[str, list[Action]] = {}
        for action in self.actions.values():
            for state in self.origins[action.code] or (("",) if action.start else ()):
                places.setdefault(state, []).append(action)
        told: set[tuple[str, str]] = set()
        for state, actions in places.items():
            used: dict[str, Action] = {}
            for action in actions:
                if not action.key or action.system_only:
                    continue
                first = used.setdefault(action.key, action)
                if first is not action and (first.code, action.code) not in told and not _exclusive(first, action):
                    told.add((first.code, action.code))
                    self.say(
                        ("actions", action.code, "key"),
                        f"状态 {state or '开始'} 中按键 {action.key} 已用于动作 {first.code}",
                        f"key {action.key!r} is already used by {first.code!r} in state {state or 'start'!r}",
                    )

    # -- ways --

    def check_ways(self) -> None:
        starts = [action for action in self.actions.values() if action.start and action.to]
        if not starts:
            self.say(("actions",), "没有起始动作（start: true）", "there is no start action (start: true)")
            return
        reached = {str(action.to) for action in starts}
        grown = True
        while grown:
            grown = False
            for code, action in self.actions.items():
                if action.to and action.to not in reached and reached & set(self.origins[code]):
                    reached.add(action.to)
                    grown = True
        for code, state in self.states.items():
            path: Path = ("states", code)
            if code not in reached:
                self.say(path, f"状态 {code} 永远到不了", f"state {code!r} can never be reached")
            leaving = [a for a in self.actions.values() if code in self.origins[a.code] and a.to not in (None, code)]
            if not state.final and not leaving:
                self.say(path, f"状态 {code} 不是终态却没有出口", f"state {code!r} is not final and has no exit")
            for action in self.actions.values():
                if state.final and code in self.origins[action.code] and not action.after_end:
                    self.say(
                        ("actions", action.code, "from"),
                        f"{code} 是终态，只有标了 after_end: true 的动作才能从此执行",
                        f"state {code!r} is final; only an action with after_end: true may be taken in it",
                    )
        if not any(state.final for state in self.states.values()):
            self.say(("states",), "没有终态", "there is no final state")

    # -- children --

    def check_spawn(self, action: Action, spawn: Spawn, path: Path) -> None:
        for rest, name in references(spawn.data):
            self.reference((*path, "pass", *rest), name, action)
        if spawn.platform.startswith("$"):
            self.reference((*path, "platform"), spawn.platform[1:], action)
            field = action.field(spawn.platform[1:])
            if field and field.type != "platform":
                self.say(
                    (*path, "platform"),
                    f"字段 {field.name} 的类型应为 platform",
                    f"field {field.name!r} must be of type platform",
                )
        if isinstance(spawn.lead, str):
            self.reference((*path, "lead"), spawn.lead[1:], action)
        waiting = {action.to} if action.to else set(self.origins[action.code])
        for outcome, end in spawn.on_end.items():
            where = (*path, "on_end", outcome)
            if self.known_name(where, end.action, self.action_names, "动作", "action"):
                self.system_action(where, end.action, {state for state in waiting if state})
                self.check_handed(where, self.actions.get(end.action), end.data)
        child = self.near.get(spawn.procedure)
        if child is None:
            self.say(
                (*path, "procedure"),
                f"没有名为 {spawn.procedure} 的流程",
                f"there is no procedure {spawn.procedure!r}",
            )
            return
        start = child.actions.get(spawn.action)
        if spawn.action not in child.named("actions"):
            self.say(
                (*path, "action"),
                f"流程 {spawn.procedure} 没有动作 {spawn.action}",
                f"procedure {spawn.procedure!r} has no action {spawn.action!r}",
            )
        elif start and not start.start and ("actions", spawn.action, "start") not in child.dropped:
            self.say(
                (*path, "action"),
                f"动作 {spawn.action} 不是起始动作",
                f"action {spawn.action!r} is not a start action",
            )
        else:
            self.check_handed((*path, "pass"), start, spawn.data)
        if not child.whole:
            return
        outcomes = _outcomes(child)
        for outcome in spawn.on_end:
            if outcome not in outcomes:
                self.say(
                    (*path, "on_end", outcome),
                    f"流程 {spawn.procedure} 没有结果 {outcome}，只有 {'、'.join(sorted(outcomes))}",
                    f"procedure {spawn.procedure!r} cannot end in {outcome!r}, only in " + ", ".join(sorted(outcomes)),
                )
        fields = {field.name: field for other in child.actions.values() for field in other.form}
        for outcome, end in spawn.on_end.items():
            for rest, name in references(end.data):
                self.reference((*path, "on_end", outcome, "pass", *rest), name, None, fields)

    def system_action(self, where: Path, code: str, waiting: set[str]) -> None:
        """The engine itself must be able to do it, in every state in which it may have to."""
        action = self.actions.get(code)
        if action is None:
            return
        if not action.system and not self.broken("actions", code, "system"):
            self.say(where, f"动作 {code} 未标 system: true", f"action {code!r} is not system: true")
        if self.broken("actions", code, "from"):
            return
        for state in sorted(waiting - set(self.origins[code])):
            self.say(
                where,
                f"动作 {code} 不能在等待状态 {state} 执行",
                f"action {code!r} is not possible in the waiting state {state!r}",
            )

    def check_handed(self, where: Path, action: Action | None, data: Mapping[str, Any]) -> None:
        """Answers handed to an action that no person fills in: all known, none required left out."""
        if action is None:
            return
        names = {field.name for field in action.form}
        for name in data:
            if name not in names:
                self.say(
                    (*where, name),
                    f"动作 {action.code} 的表单没有字段 {name}",
                    f"the form of action {action.code!r} has no field {name!r}",
                )
        for field in action.form:
            if field.required and field.default is None and field.name not in data:
                self.say(
                    where,
                    f"动作 {action.code} 的必填字段 {field.name} 没有传入",
                    f"required field {field.name!r} of action {action.code!r} is not passed",
                )


def _exclusive(one: Action, other: Action) -> bool:
    """Two actions of which a hiding guard offers only one may share a key."""
    return any(guard.hide for guard in one.guards) and any(guard.hide for guard in other.guards)


def _outcomes(draft: Draft) -> set[str]:
    return {outcome_of(state) for state in draft.states.values() if state.final}
