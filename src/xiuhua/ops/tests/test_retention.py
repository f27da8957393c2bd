"""Erasing by rule: what is due, two persons, holds, and what the worker finds when its turn comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.test import Client

from xiuhua.casework import erase, moments, verify
from xiuhua.casework.models import Case, Payload, Personal
from xiuhua.casework.personal_stores import all_stores, personal_modules
from xiuhua.casework.refusal import Refused
from xiuhua.casework.tests.conftest import City, TestClock
from xiuhua.city.access import SYSTEM
from xiuhua.city.models import User
from xiuhua.ops import holds, retention, retention_rules
from xiuhua.ops.models import ErasureItem, ErasureProposal, LegalHold
from xiuhua.ops.personal_stores import DJANGO_HOLDS_NONE
from xiuhua.ops.retention_rules import RulesBroken

NAME, PHONE = "欧阳测试壹贰", "13871234567"
RULES = """
sample: false
source: {zh: 市令, en: Order}
rules:
  - {code: media, title: {zh: 媒体, en: Media}, sources: [media], days: 400, keep_evidence: true}
  - {code: rest, title: {zh: 其余, en: Rest}, days: 100}
"""


@pytest.fixture(autouse=True)
def rules(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    path = retention_rules.file_of("421200")
    path.parent.mkdir(parents=True)
    path.write_text(RULES, "utf-8")
    return path


def closed(city: City, **data: Any) -> Case:
    case = city.handled(reporter_name=NAME, reporter_phone=PHONE, description=f"{NAME}来电", **data)
    return city.act(city.act(case, "finish", result="已补"), "close")


def due(city: City, code: str = "rest") -> set[str]:
    found = retention_rules.rules_of("421200")
    rule = found.rule(code)
    assert rule is not None
    return set(retention.due(city.platform, found, rule, moments.now()).values_list("number", flat=True))


def words_of(case: Case) -> list[str]:
    case.refresh_from_db()
    return [case.title + case.description, *Payload.objects.filter(case=case).values_list("body", flat=True)]


def erased(case: Case) -> bool:
    return not Personal.objects.filter(case=case).exists() and not any(NAME in text for text in words_of(case))


def test_due_by_first_rule_and_age(city: City, clock: TestClock) -> None:
    rest, still_open = closed(city), city.handled()
    assert due(city) == set()
    clock.forward(days=101)
    assert due(city) == {rest.number} and due(city, "media") == set()
    Case.objects.filter(pk=rest.pk).update(source="media")  # as if the media had told it
    assert due(city) == set() and due(city, "media") == set(), "the first rule that fits counts, with its own days"
    clock.forward(days=300)
    assert due(city, "media") == {rest.number} and still_open.number not in due(city)


def test_two_persons_and_then_the_worker(city: City, clock: TestClock) -> None:
    old = [closed(city) for _number in range(3)]
    clock.forward(days=101)
    young = closed(city)
    proposal = retention.propose(city.platform, "rest", city.administrator)
    assert proposal.count == 3 and not any(erased(case) for case in old)
    with pytest.raises(Refused) as refused:
        retention.approve(proposal, city.administrator)
    assert refused.value.refusal.code == "guard"
    for name in ("operator", "dispatcher", "auditor", "chief"):
        with pytest.raises(Refused):
            retention.approve(proposal, city.actors[name])
    city.run()
    assert not any(erased(case) for case in old), "nothing goes before the second person"
    retention.approve(proposal, city.leader)
    city.run()
    assert all(erased(case) for case in old) and not erased(young)
    proposal.refresh_from_db()
    assert proposal.state == "done" and retention.results(proposal) == {"erased": 3}
    assert verify.verify().ok
    assert due(city) == set(), "what was erased is not due again"
    with pytest.raises(Refused):
        retention.approve(proposal, city.leader)


def test_the_database_holds_to_two_persons_too(city: City, clock: TestClock) -> None:
    closed(city)
    clock.forward(days=101)
    proposal = retention.propose(city.platform, "rest", city.administrator)
    with pytest.raises(IntegrityError), transaction.atomic():
        ErasureProposal.objects.filter(pk=proposal.pk).update(
            state="approved", decided_by_id=city.administrator.user_id
        )
    hold = holds.put(Case.objects.all()[0].number, city.auditor, document_number="法 1", reason="诉讼")
    with pytest.raises(IntegrityError), transaction.atomic():
        LegalHold.objects.filter(pk=hold.pk).update(lifted_by_id=city.auditor.user_id)


def test_a_hold_stops_everybody(city: City, clock: TestClock) -> None:
    held, other, late = closed(city), closed(city), closed(city)
    clock.forward(days=101)
    hold = holds.put(held.number, city.auditor, document_number="法函 7 号", reason="诉讼")
    assert due(city) == {other.number, late.number}
    with pytest.raises(Refused) as refused:
        erase.erase(held, city.administrator, "本人申请")
    assert refused.value.refusal.code == "held" and "法函 7 号" in refused.value.refusal.message
    with pytest.raises(Refused):
        erase.erase(held, SYSTEM, "本人申请")
    proposal = retention.propose(city.platform, "rest", city.administrator)
    holds.put(late.number, city.auditor, document_number="法函 8 号", reason="诉讼")  # after it was proposed
    retention.approve(proposal, city.leader)
    city.run()
    assert erased(other) and not erased(held) and not erased(late)
    assert retention.results(ErasureProposal.objects.get()) == {"erased": 1, "held": 1}
    with pytest.raises(Refused) as refused:
        holds.lift(hold, city.auditor)
    assert refused.value.refusal.code == "guard"
    holds.lift(hold, city.leader)
    assert due(city) == {held.number}
    erase.erase(held, SYSTEM, "到期")
    assert LegalHold.objects.get(pk=hold.pk).reason == "", "the reason of a lifted hold goes with the case"


def test_what_is_worked_on_again_is_left_alone(city: City, clock: TestClock) -> None:
    case = closed(city)
    clock.forward(days=101)
    proposal = retention.propose(city.platform, "rest", city.administrator)
    city.act(case, "reopen")
    retention.approve(proposal, city.leader)
    city.run()
    assert not erased(case) and retention.results(proposal) == {"not_due": 1}


def test_a_run_that_was_cut_short_goes_on(city: City, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [closed(city) for _number in range(5)]
    clock.forward(days=101)
    proposal = retention.propose(city.platform, "rest", city.administrator)
    retention.approve(proposal, city.leader)
    monkeypatch.setattr(retention, "BATCH", 2)
    real, calls = retention.erase_one, []

    def dies(item: ErasureItem, one: ErasureProposal) -> str:
        calls.append(item.pk)
        result = real(item, one)
        if len(calls) == 3:
            raise OSError("the power went")
        return result

    monkeypatch.setattr(retention, "erase_one", dies)
    city.run()
    clock.forward(minutes=5)
    city.run()
    assert all(erased(case) for case in cases)
    assert retention.results(proposal) == {"erased": 5} and verify.verify().ok
    events = [case.events.filter(action="erase").count() for case in cases]
    assert events == [1] * 5, "none is erased twice"


def test_a_refused_proposal_erases_nothing_and_may_be_made_again(city: City, clock: TestClock) -> None:
    case = closed(city)
    clock.forward(days=101)
    first = retention.propose(city.platform, "rest", city.administrator)
    with pytest.raises(Refused):
        retention.propose(city.platform, "rest", city.administrator)  # all is proposed already
    retention.refuse(first, city.administrator)
    second = retention.propose(city.platform, "rest", city.administrator)
    retention.refuse(second, city.leader)
    city.run()
    assert not erased(case)


def test_another_platform_is_out_of_reach(city: City, clock: TestClock) -> None:
    closed(city)
    clock.forward(days=101)
    elsewhere = replace(
        city.administrator, seats=tuple(replace(seat, platform_id=-1) for seat in city.administrator.seats)
    )
    with pytest.raises(Refused):
        retention.propose(city.platform, "rest", elsewhere)


@pytest.mark.parametrize(
    "text, said",
    [
        ("rules: [", "expected"),
        (RULES.replace("days: 100", "days: 3"), "greater than or equal to 30"),
        (RULES.replace("code: rest", "code: media"), "stands twice"),
        (RULES.replace("sources: [media]", "classes: [':01']"), "a class is kind:code"),
        (RULES.replace("days: 100", "days: 100, colour: red"), "Extra inputs"),
    ],
)
def test_a_faulty_file_is_refused_with_its_place(rules: Path, text: str, said: str) -> None:
    rules.write_text(text, "utf-8")
    with pytest.raises(RulesBroken) as broken:
        retention_rules.rules_of("421200")
    assert said in str(broken.value) and "421200.yaml" in str(broken.value)


def test_the_sample_says_that_it_is_one() -> None:
    found = retention_rules.rules_of("429999")
    assert found.sample and found.rules[-1].fits() == models.Q(), "the last rule takes what is left"


def test_classes_and_procedures_choose(city: City, rules: Path, clock: TestClock) -> None:
    rules.write_text(RULES.replace("sources: [media], days: 400", "procedures: [repair], days: 100"), "utf-8")
    case = closed(city)
    clock.forward(days=101)
    assert due(city, "media") == {case.number} and due(city) == set()
    rules.write_text(RULES.replace("sources: [media], days: 400", "classes: ['event:01'], days: 100"), "utf-8")
    assert due(city, "media") == set() and due(city) == {case.number}


# -- the table of stores -------------------------------------------------------------------------------------------


def unsaid() -> list[str]:
    """Text columns of the whole house that no room accounts for."""
    kinds = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.FileField)
    said = dict(personal_modules())
    found = []
    for model in apps.get_models(include_auto_created=True):
        room, name = model._meta.app_label, model.__name__
        if f"{room}.{name}" in DJANGO_HOLDS_NONE:
            continue
        module = said.get(room)
        known = {column for store in module.STORES for column in store.columns} if module else set()
        none = set(module.HOLDS_NONE) if module else set()
        for field in model._meta.concrete_fields:
            column = f"{name}.{field.name}"
            if isinstance(field, kinds) and column not in known | none and f"{name}." not in none:
                found.append(f"{room}: {column}")
    return found


def test_every_column_that_can_hold_words_is_accounted_for() -> None:
    """A new one is added to STORES (with an eraser) or to HOLDS_NONE (with the reason) of its room's personal_stores."""
    assert unsaid() == []


def test_a_new_encrypted_field_is_noticed() -> None:
    field = models.TextField(name="witness_cipher")
    field.contribute_to_class(LegalHold, "witness_cipher")
    try:
        assert unsaid() == ["ops: LegalHold.witness_cipher"]
    finally:
        LegalHold._meta.local_fields.remove(field)
        LegalHold._meta._expire_cache()
        del LegalHold.witness_cipher


def test_every_store_is_walked_and_files_go_last() -> None:
    codes = [store.code for store in all_stores()]
    assert len(set(codes)) == len(codes) and "legal_hold" in codes and codes[-1] == "attachments"
    assert {name for store in all_stores() for name in store.columns} >= {"Personal.cipher", "Personal.lookup"}


# -- pages ---------------------------------------------------------------------------------------------------------


def browser(username: str, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(User.objects.get(username=username))
    return client


def test_the_whole_way_on_the_pages(city: City, clock: TestClock) -> None:
    case, held = closed(city), closed(city)
    clock.forward(days=101)
    administrator, leader = browser("administrator"), browser("leader")
    page = leader.get("/retention/").content.decode()
    assert "Rest" in page and "Propose to erase" not in page, "the leader approves and does not propose"
    wrong = administrator.post("/retention/", {"number": "nothing", "document_number": "", "reason": "x"})
    assert wrong.status_code == 422 and "There is no case of this number" in wrong.content.decode()
    put = administrator.post("/retention/", {"number": held.number, "document_number": "法 1", "reason": "诉讼"})
    assert put.status_code == 302 and LegalHold.objects.count() == 1
    made = administrator.post("/retention/propose/", {"rule": "rest"})
    address = made.headers["Location"]
    own = administrator.get(address).content.decode()
    assert "Approve the erasure" not in own and "another person must approve" in own and case.number in own
    administrator.post(address, {"how": "approve"})
    assert ErasureProposal.objects.get().state == "proposed"
    assert "Approve the erasure" in leader.get(address).content.decode()
    leader.post(address, {"how": "approve"})
    city.run()
    assert erased(case) and not erased(held)
    assert "Done" in leader.get("/retention/").content.decode()
    hold = LegalHold.objects.get()
    administrator.post(f"/retention/holds/{hold.pk}/lift/")
    assert LegalHold.objects.get().lifted_at is None
    leader.post(f"/retention/holds/{hold.pk}/lift/")
    assert LegalHold.objects.get().lifted_at is not None
    assert browser("operator").get("/retention/").status_code == 403
    assert browser("auditor").post(address, {"how": "approve"}).status_code == 302
    chinese = browser("leader", "zh-hans").get("/retention/").content.decode()
    assert "法律保全" in chinese and "Legal holds" not in chinese


def test_a_broken_file_is_told_on_the_page(city: City, rules: Path) -> None:
    rules.write_text("rules: [", "utf-8")
    page = browser("administrator").get("/retention/")
    assert page.status_code == 200 and "The file of rules cannot be used" in page.content.decode()
