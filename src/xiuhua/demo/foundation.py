"""What must stand before anything can be reported: ground, organisations, categories, duties, procedures, accounts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib import resources

import yaml
from django.db import transaction
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from xiuhua.casework import library
from xiuhua.city import category_import, duty_import, grid_maker, ground_import, memory, organisation_import
from xiuhua.city.access import Actor, actor_for
from xiuhua.city.models import Appointment, Organisation, Platform, Post, User

CITY = "421200"
SINCE = date(2026, 1, 1)


class Person(BaseModel):
    """One account: ``zh`` (or ``name``) is shown, `post` is a post's code, ``platform`` a platform's."""

    model_config = ConfigDict(extra="forbid")
    username: str
    zh: str = Field(validation_alias=AliasChoices("zh", "name"))
    post: str
    platform: str = CITY
    shown: bool = False


class People(BaseModel):
    model_config = ConfigDict(extra="forbid")
    people: list[Person]


@cache
def people() -> tuple[Person, ...]:
    """The accounts of the demo."""
    text = (resources.files("xiuhua.demo") / "data" / "people.yaml").read_text("utf-8")
    return tuple(People.model_validate(yaml.safe_load(text)).people)


def load(*, password: str | None = None) -> None:
    """Ground, organisations, categories, duties, procedures and accounts; may be called again."""
    ground_import.import_city()
    grid_maker.load(SINCE)
    organisation_import.import_profile(city=CITY)
    category_import.import_folder()
    duty_import.import_profile(city=CITY)
    library.publish()
    accounts(people(), password or os.environ.get("XIUHUA_DEMO_PASSWORD"))
    memory.forget()


@transaction.atomic
def accounts(
    wanted: Iterable[Person], password: str | None, *, since: date = SINCE, language: str = "", keep: bool = False
) -> None:
    """Accounts with their posts. Without a password nobody can log in with one.

    ``language``: what new accounts read, '' for what their browsers ask. ``keep``: accounts that stand keep their password.
    """
    platforms = {p.code: p for p in Platform.objects.all()}
    posts = {p.code: p for p in Post.objects.all()}
    units = {o.pk: o for o in Organisation.objects.all()}
    sealed: str | None = None
    for person in wanted:
        post = posts[person.post]
        user = User.objects.filter(username=person.username).first() or User(
            username=person.username, language=language
        )
        user.display_name = person.zh
        user.platform = platforms[person.platform]
        user.organisation = units.get(post.organisation_id or 0)
        if keep and user.pk is not None:
            pass
        elif password is None:
            user.set_unusable_password()
        elif sealed is None:
            user.set_password(password)
            sealed = user.password  # one hash for all demo accounts: they share the one password anyway
        else:
            user.password = sealed
        user.save()
        Appointment.objects.get_or_create(user=user, post=post, since=since)


def actor(username: str) -> Actor:
    """The actor of a demo account."""
    return actor_for(User.objects.get(username=username))
