"""Fills the database that the environment names with a city that was really used, and anchors it; for `test_move`.

Cases live through the loop of the city case, several are acted on at once and one such batch is taken back, some come
by the second writer, one is erased. Prints the path of the anchor that left the house.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


def main() -> None:
    from xiuhua import cli

    cli.ready()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    from xiuhua.casework import anchors, bulk, deliver, engine, erase, moments, undo
    from xiuhua.casework.models import Case, Event, Payload
    from xiuhua.city.access import SYSTEM
    from xiuhua.demo.tests import small_city
    from xiuhua.demo.tests.test_city_case import Desk

    city = small_city.build()
    desk = Desk(city)
    desk.to_check()
    desk.do("hotline", "send_check", collector="collector2")
    answers = {"photos": desk.photo("collector2", 30), "position": small_city.POINT, "remark": "看过"}
    desk.do("collector2", "pass", on=desk.child("check"), **answers)
    deliver.run_due()
    desk.do("hotline", "close", condition_met=True, callback="satisfied")
    closed = desk.case
    waiting = [desk.report().pk for _number in range(4)]
    batch = engine.advance_many(waiting[:2], "void", desk.who("hotline"), {"reason": "not_found"})
    undone = undo.undo(batch.batch, desk.who("hotline"))
    assert len(undone.done) == 2, undone
    start = moments.now() - timedelta(days=3)
    first = {"source": "media", "description": "井盖缺失", "address": "模拟大道1号"}
    void = {"reason": "not_found"}
    hotline = desk.who("hotline")
    loaded = bulk.load(
        bulk.History(
            "city_case",
            city,
            (
                bulk.Step("report", hotline, first, start + timedelta(minutes=place)),
                bulk.Step("void", hotline, void, start + timedelta(minutes=place + 5)),
            ),
        )
        for place in range(30)
    )
    assert loaded.cases == 30 and not loaded.refused, loaded.refused
    erase.erase(closed, SYSTEM, "本人申请")
    deliver.run_due()
    assert Payload.objects.filter(erased_at__isnull=False).exists()
    assert Event.objects.filter(action="undo").count() == 2
    assert Case.objects.get(pk=closed.pk).state == "closed"
    path = anchors.leave(anchors.take())
    desk.do("hotline", "void", on=Case.objects.get(pk=waiting[3]), reason="not_found")
    print(json.dumps({"anchor": str(path), "cases": Case.objects.count(), "events": Event.objects.count()}))


if __name__ == "__main__":
    main()
