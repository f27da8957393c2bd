"""Many publish one file at once: one does, the others are told, and nothing is half done."""

from __future__ import annotations

import threading

from django.db import connections

from xiuhua.casework import rule_files
from xiuhua.casework.models import RuleVersion
from xiuhua.casework.tests.conftest import City


def test_of_many_at_once_one_publishes(city: City) -> None:
    book = rule_files.books()["routing"]
    actor, text, gate = city.administrator, book.start(""), threading.Barrier(6)
    told: list[str] = []

    def write(number: int) -> None:
        try:
            gate.wait()
            rule_files.publish(book, "", f"{text}# {number}\n", base=0, actor=actor, reason="x")
            told.append("published")
        except rule_files.Overtaken as overtaken:
            told.append(f"overtaken by {overtaken.row.version}")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == ["overtaken by 1"] * 5 + ["published"]
    assert RuleVersion.objects.count() == 1
