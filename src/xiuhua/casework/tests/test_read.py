"""The written-out reading statements give what the ORM gives, and `sees` what `visible` gives."""

from __future__ import annotations

import pytest
from django.db import transaction

from xiuhua.casework import permits, read
from xiuhua.casework.models import Case, Party
from xiuhua.casework.tests.conftest import City
from xiuhua.city.access import SYSTEM


def test_every_column_is_read_as_the_orm_reads_it(city: City) -> None:
    case = city.handled(title="井盖 'x'", reporter_phone="13800000001")
    plain = {f.attname: getattr(Case.objects.get(pk=case.pk), f.attname) for f in Case._meta.concrete_fields}
    with transaction.atomic():
        locked, answered = read.locked(case.pk, "user:1", "web", "no-such-key")
    assert answered is None
    for found in (read.by_id(case.pk), read.by_number(case.number), locked):
        assert found is not None and not found._state.adding
        assert {name: getattr(found, name) for name in plain} == plain


def test_what_is_not_there(city: City) -> None:
    assert read.by_id(1) is None and read.by_number("X") is None and read.answered("user:1", "web", "k") is None
    with transaction.atomic(), pytest.raises(Case.DoesNotExist):
        read.locked(1, "user:1", "web", None)


@pytest.mark.parametrize("many", (0, permits.MANY))
def test_sees_is_visible(city: City, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """Every actor on cases in every kind of hands, a vote and a child among them; for who had many cases and who had few."""
    monkeypatch.setattr(permits, "MANY", many)
    monkeypatch.setattr(permits, "_known", {})
    city.case()
    case = city.act(city.handled(), "look", collector="collector")
    city.act(city.handled(), "ask_vote", voters=[city.leader.user_id, city.chief.user_id])
    cases = list(Case.objects.all())
    assert len(cases) >= 4 and case.children.exists()
    answers = set()
    parties = set(Party.objects.values_list("case_id", "organisation_id", "user_id"))
    for one in cases:
        who = {(o, None) for o in (one.responsible_org_id, one.holder_org_id)}
        who |= {(None, u) for u in (one.created_by_id, one.holder_user_id, *(h["user"] for h in one.hands))}
        assert {(one.pk, *w) for w in who if w != (None, None)} <= parties
    for actor in (SYSTEM, *city.actors.values()):
        for one in cases:
            seen = permits.visible(actor).filter(pk=one.pk).exists()
            assert permits.sees(actor, one) is seen, (actor.username, one.number)
            answers.add(seen)
    assert answers == {True, False}
