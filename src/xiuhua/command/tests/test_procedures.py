"""The city case and its children say what the case loop says: every state, way, role, clock and lawful condition."""

from __future__ import annotations

import re
from functools import cache

import pytest

from xiuhua.casework.diagram import diagram
from xiuhua.casework.procedures import Library, Procedure, SourceFile, check, from_canonical, load, package_sources
from xiuhua.casework.schema import PERSONAL_TYPES

PACKAGE = "xiuhua.command.procedures"


@cache
def procedures() -> Library:
    return load(package_sources([PACKAGE]))


def city_case(variant: str = "") -> Procedure:
    return procedures().get("city_case", variant)


def test_all_load_with_the_names_that_the_house_knows() -> None:
    """Roles, guards, effects, outbox kinds and columns that the YAML names exist."""
    from xiuhua.casework import library, registry

    registry.autoload()
    assert check(package_sources([PACKAGE]), library.known()) == ()


def test_all_procedures_of_the_room() -> None:
    assert set(procedures().codes()) == {
        "city_case", "verification_task", "check_task", "extension_request", "hold_request", "supervision_answer",
        "overdue_appeal", "joint_task", "sub_dispatch", "self_handled", "hand_over_request",
        "rule_review",
    }  # fmt: skip


# state, stage, who holds, clocks that run, clocks that pause
STATES = """
reported       report    intake_operator   intake,total       -
verifying      report    >verification     -                  intake
to_file        report    intake_operator   intake             -
handing_over   report    >hand_over        -                  intake,dispatch,handling
to_dispatch    dispatch  dispatcher        dispatch           -
to_receive     dispatch  unit              receipt,handling   -
returned       dispatch  dispatcher        dispatch           handling
disputed       dispatch  coordinator       coordination       handling
handling       handle    unit              handling,total     -
handled        handle    unit              -                  -
on_hold        handle    dispatcher        hold               handling,total
rework         handle    unit              rework             -
to_check       check     intake_operator   check              -
checking       check     >check            check              -
to_close       close     intake_operator   closing            -
closed         end       -                 -                  -
forced_closed  end       -                 -                  -
voided         end       -                 -                  -
"""


def test_states_holders_and_clocks() -> None:
    found = []
    for state in city_case().states.values():
        holder = (
            "-" if state.holder is None else f">{state.holder.children}" if state.holder.children else state.holder.role
        )
        found.append([state.code, state.stage, holder, ",".join(state.run) or "-", ",".join(state.pause) or "-"])
    assert found == [line.split() for line in STATES.strip().splitlines()]


# from, action, to, who (roles, or * for the engine alone)
WAYS = """
-                       report              reported       intake_operator duty_chief dispatcher leader unit
-                       patrol_report       reported       collector handler crew
reported,to_file        send_verification   verifying      intake_operator duty_chief
verifying               verified_real       to_file        *
verifying               verified_not_real   voided         *
reported,to_file        file_and_dispatch   to_receive     duty_chief
reported,to_file        file                to_dispatch    intake_operator duty_chief
reported,to_file        void                voided         intake_operator duty_chief
reported,to_file        merge_duplicate     voided         intake_operator duty_chief
reported,to_file        split               =              intake_operator duty_chief
reported,to_file,to_dispatch,returned hand_over handing_over intake_operator dispatcher duty_chief
reported                file_by_rule        to_dispatch    *
to_dispatch             dispatch_by_rule    to_receive     *
to_dispatch             dispatch_by_rule_sampled to_receive *
to_receive,handling     dispatch_found_wrong returned      *
handing_over            handed_over         reported       *
handing_over            hand_over_refused   to_file        *
handing_over            recall_hand_over    to_file        intake_operator dispatcher duty_chief
to_dispatch             dispatch            to_receive     dispatcher duty_chief
to_dispatch,returned    return_to_intake    to_file        dispatcher duty_chief
to_receive              sign                handling       unit
to_receive              deem_received       handling       *
to_receive,handling     return_not_ours     returned       unit
returned                redispatch          to_receive     dispatcher duty_chief
returned                refuse_return       to_receive     dispatcher duty_chief
returned                declare_dispute     disputed       dispatcher duty_chief
disputed                decide_dispute      to_receive     coordinator leader
handling,rework         assign_handler      =              unit
handling,rework         recall_handler      =              unit
handling,rework         sub_dispatch        =              unit
handling,rework         send_crew           =              unit
handling,rework         invite_joint        =              unit dispatcher duty_chief
handling,rework         submit_result       handled        handler crew unit
handled                 reject_result       handling       unit
handled                 reject_rework       rework         unit
handled                 confirm_result      to_check       unit
handling                ask_extension       =              unit
handling                propose_extension   =              handler
handling                ask_hold            =              unit
handling                hold                on_hold        *
on_hold                 resume              handling       dispatcher duty_chief
on_hold                 hold_over           handling       *
to_check                send_check          checking       intake_operator duty_chief
checking                check_passed        to_close       *
checking                check_failed        rework         *
to_check,to_close       send_back           rework         intake_operator dispatcher duty_chief
to_close                close               closed         intake_operator duty_chief
closed                  reopen              rework         duty_chief
closed,forced_closed    appeal_overdue      =              unit
"""
AFTER_FILING = {
    "to_dispatch", "to_receive", "returned", "disputed", "handling", "handled", "on_hold", "rework",
    "to_check", "checking", "to_close",
}  # fmt: skip


@pytest.mark.parametrize("line", WAYS.strip().splitlines(), ids=lambda line: line.split()[1])
def test_ways(line: str) -> None:
    origin, code, to, *roles = line.split()
    action = city_case().actions[code]
    assert set(action.from_states) == (set() if origin == "-" else set(origin.split(",")))
    assert action.to == (None if to == "=" else to)
    assert action.system_only if roles == ["*"] else action.by == tuple(roles)


def test_over_all_stages_after_filing() -> None:
    for code, to, roles in [
        ("force_close", "forced_closed", ("leader",)),
        ("void_filed", "voided", ("leader",)),
        ("supervise", None, ("duty_chief", "leader")),
    ]:
        action = city_case().actions[code]
        assert set(action.from_states) == AFTER_FILING
        assert (action.to, action.by) == (to, roles)


@pytest.mark.parametrize("variant", ["", "one_centre"])
def test_what_the_city_may_do_on_a_countys_case(variant: str) -> None:
    across = {code: action.across for code, action in city_case(variant).actions.items() if action.across}
    assert across == {
        "remind": ("duty_chief", "leader"),
        "supervise": ("duty_chief", "leader"),
        "force_close": ("leader",),
        "void_filed": ("leader",),
        "reopen": ("duty_chief",),
    }
    assert city_case(variant).actions["supervise"].spawn[0].platform == "actor", "the answer comes back to who asked"


def test_a_hand_over_begins_anew_at_the_receivers_intake() -> None:
    action = city_case().actions["handed_over"]
    assert action.assigns is not None and action.assigns.platform == "$platform"
    assert action.clocks is not None and action.clocks.restart == ("intake", "total")


def guards(code: str, variant: str = "") -> dict[str, dict[str, object]]:
    return {call.name: call.args for call in city_case(variant).actions[code].guards}


def test_guards_of_the_written_rules() -> None:
    assert "no_handler" in guards("return_not_ours"), "an assigned handler must be recalled before a return"
    assert guards("declare_dispute")["min"] == {"column": "returns", "value": 2}
    assert {"not_overdue", "max", "no_open"} <= set(guards("ask_extension"))
    assert guards("ask_extension")["max"] == {"column": "extensions", "value": 2}
    assert guards("ask_hold")["max"] == {"column": "holds", "value": 1}
    assert guards("reopen")["within_days"] == {"of": "closed_at", "days": 7}
    assert guards("appeal_overdue") == {"was_overdue": {"value": "handling"}, "no_child": {"value": "appeal"}}
    assert guards("confirm_result")["joined"] == {"value": "all", "relation": "joint"}
    assert {c.args["value"] for c in city_case().actions["return_not_ours"].effects if c.name == "count"} == {"returns"}


def test_what_the_form_itself_answers_is_judged_when_it_is_sent() -> None:
    """A box that nobody could tick yet does not make the action look refused."""
    for procedure in procedures():
        for action in procedure.actions.values():
            for call in action.guards:
                if call.name in ("ticked", "needs_answer") or (call.name == "located" and action.field("position")):
                    assert call.on_submit, f"{procedure.code}.{action.code}.{call.name}"


@pytest.mark.parametrize("variant", ["", "one_centre"])
def test_lawful_conditions_stand_in_every_variant(variant: str) -> None:
    lawful = {
        (code, call.name)
        for code, action in city_case(variant).actions.items()
        for call in action.guards
        if call.lawful
    }
    assert lawful == {
        ("file", "located"), ("file", "fileable"), ("file_and_dispatch", "located"), ("file_and_dispatch", "fileable"), ("close", "ticked"), ("close", "needs_answer"),
        ("file_by_rule", "located"), ("file_by_rule", "fileable"), ("hand_over", "linked_platform"), ("handed_over", "linked_platform"),
    }  # fmt: skip


def test_one_centre_differs_only_in_who() -> None:
    base, one = city_case(), city_case("one_centre")
    assert one.states["to_dispatch"].holder and one.states["to_dispatch"].holder.role == "intake_operator"
    assert "intake_operator" in one.actions["dispatch"].by
    for code, action in base.actions.items():
        twin = one.actions[code]
        assert (action.from_states, action.to, action.form, action.guards) == (
            twin.from_states, twin.to, twin.form, twin.guards,
        )  # fmt: skip
    assert dict(base.clocks) == dict(one.clocks)


def test_every_outcome_of_a_child_that_a_state_waits_for_leads_on() -> None:
    case = city_case()
    for relation, procedure in [
        ("verification", "verification_task"),
        ("check", "check_task"),
        ("hand_over", "hand_over_request"),
    ]:
        spawn = next(s for a in case.actions.values() for s in a.spawn if s.relation == relation)
        assert set(spawn.on_end) == procedures().get(procedure).outcomes()


def test_verification_pauses_intake_and_return_pauses_handling() -> None:
    states = city_case().states
    assert states["verifying"].pause == ("intake",)
    assert states["returned"].pause == ("handling",)
    assert "handling" in states["handled"].keep, "handling ends when the unit confirms, its paperwork counts"
    assert city_case().actions["refuse_return"].clocks.take_back == ("handling",)  # type: ignore[union-attr]


def test_passing_down_goes_to_any_depth_under_one_clock() -> None:
    sub = procedures().get("sub_dispatch")
    assert sub.clocks["shared"].limit.kind == "parent"
    assert {s.procedure for a in sub.actions.values() for s in a.spawn} == {"sub_dispatch"}
    assert procedures().get("joint_task").clocks["shared"].limit.kind == "parent"


def test_limits_are_samples_with_a_source() -> None:
    for procedure in procedures():
        for clock in procedure.clocks.values():
            assert clock.source, f"{procedure.code}.{clock.code}"
            assert clock.sample == (clock.limit.kind in ("amount", "of")), f"{procedure.code}.{clock.code}"


def test_collectors_report_with_a_photo_and_results_show_the_after() -> None:
    photos = city_case().actions["patrol_report"].field("photos")
    assert photos is not None and photos.required and photos.min == "1" and photos.stage == "before"
    after = city_case().actions["submit_result"].field("photos")
    assert after is not None and after.required and after.stage == "after"


def test_personal_data_is_asked_only_of_reporters() -> None:
    asked = {
        (procedure.code, action.code, field.name)
        for procedure in procedures()
        for action in procedure.actions.values()
        for field in action.form
        if field.is_personal
    }
    assert asked == {("city_case", "report", "reporter_name"), ("city_case", "report", "reporter_phone")}
    assert {"phone", "person_name"} <= PERSONAL_TYPES


def test_free_words_are_never_handed_on_as_codes() -> None:
    """What stays in the log after an erasure is codes and numbers; free text is `text` or `long_text` everywhere."""
    for procedure in procedures():
        for action in procedure.actions.values():
            for field in action.form:
                if field.column in ("title", "description", "address"):
                    assert field.is_text


def test_titles_are_in_the_field_s_words() -> None:
    """No full stops, no exclamation marks, no Latin words in Chinese titles and no Chinese in English ones."""
    for procedure in procedures():
        for part in (*procedure.states.values(), *procedure.actions.values(), *procedure.clocks.values()):
            assert not re.search(r"[A-Za-z!！。]", part.title.zh), part.title.zh
            assert not re.search(r"[\u4e00-\u9fff]|[.!]$", part.title.en), part.title.en


def test_stored_versions_come_back() -> None:
    for procedure in procedures():
        assert from_canonical(procedure.text) == procedure


def test_every_procedure_has_a_diagram() -> None:
    for procedure in procedures():
        for language in ("zh-hans", "en"):
            drawn = diagram(procedure, language)
            width = int(re.search(r'width="(\d+)"', drawn)[1])  # type: ignore[index]
            assert width <= 1160, f"{procedure.code} is {width} wide: more than a desk shows beside the navigation"


def test_a_city_cannot_drop_the_close_condition() -> None:
    own = SourceFile("own.yaml", "override: city_case\nfor: own\nactions: {close: {guards: []}}\n")
    faults = check([*package_sources([PACKAGE]), own])
    assert {(f.file, f.field) for f in faults} == {("own.yaml", "actions.close.guards")}
    assert len(faults) == 2
