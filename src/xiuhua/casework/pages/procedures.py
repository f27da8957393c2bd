"""Procedures as drawings with live counts of the cases that the reader may see; their versions and what each changed."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from xiuhua.casework import diagram, library, moments, permits, rule_files, rule_procedures
from xiuhua.casework.models import ProcedureVersion
from xiuhua.casework.pages import differences, present
from xiuhua.casework.procedures import Procedure
from xiuhua.city import roles
from xiuhua.city.access import Actor, requires
from xiuhua.city.models import Platform
from xiuhua.manifest import Text
from xiuhua.ui.parts import Badge, Button

#: Versions shown of one procedure.
MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A stored version with the open cases that run on it; ``centre`` names the variant."""

    row: ProcedureVersion
    title: Text
    centre: Text | None
    source: Badge
    cases: int


def _row(version: ProcedureVersion, own: frozenset[str], cases: dict[int, int]) -> VersionRow:
    """``own``: names of the city's own files in force."""
    code, variant = version.code, version.variant
    if code in own:
        source = Badge(_("the city's own"), "info")
    elif f"{code}.{variant}" in own:
        source = Badge(_("shipped, with the city's override"), "info")
    else:
        source = Badge(_("as shipped"), "done")
    title = Text(version.title_zh, version.title_en)
    return VersionRow(version, title, rule_procedures.VARIANTS.get(variant), source, cases.get(version.pk, 0))


def _cases(actor: Actor) -> dict[int, int]:
    """Open cases in the actor's sight by the version that they run on."""
    counted = permits.visible(actor).filter(open=True).order_by().values_list("procedure")
    return dict(counted.annotate(n=Count("pk")))


def _own() -> frozenset[str]:
    last = rule_files.latest().filter(kind=library.KIND).exclude(text="")
    return frozenset(last.values_list("name", flat=True))


@requires("case.read", "procedure.manage")
def procedure_list(request: HttpRequest) -> HttpResponse:
    """Every procedure in force: its version, where it comes from, the open cases on this version and on older ones."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    own, cases = _own(), _cases(actor)
    found = (
        ProcedureVersion.objects.filter(active=True).select_related("rule__published_by").order_by("code", "variant")
    )
    rows = [_row(version, own, cases) for version in found.defer("text")]
    old = (
        ProcedureVersion.objects.filter(active=False, pk__in=cases)
        .defer("text")
        .order_by("code", "variant", "-version")
    )
    return render(
        request,
        "casework/procedures.html",
        {"rows": rows, "old": [_row(version, own, cases) for version in old], "as_of": moments.now()},
    )


@requires("case.read", "procedure.manage")
def procedure(request: HttpRequest, code: str) -> HttpResponse:
    """One procedure: as it runs on the reader's platform, or the version that ``?version=`` names, beside an other one."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    stored = (
        ProcedureVersion.objects.filter(code=code).select_related("rule__published_by").order_by("variant", "-version")
    )
    versions = list(stored.defer("text")[:MOST_VERSIONS])
    by_id = {str(version.pk): version for version in versions}
    chosen = by_id.get(request.GET.get("version", ""))
    if chosen is None:
        try:
            pk, _rules = library.current(code, Platform.objects.get(pk=present.platform_of(actor)))
            chosen = by_id[str(pk)]
        except KeyError:
            raise Http404(_("There is no such procedure.")) from None
    rules = library.version(chosen.pk)
    counts = dict(
        permits.visible(actor)
        .filter(procedure_code=code, open=True)
        .order_by()
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    earlier = [v for v in versions if v.variant == chosen.variant and v.version < chosen.version]
    against = by_id.get(request.GET.get("against", "")) or (earlier[0] if earlier else None)
    own = _own()
    cases = _cases(actor)
    rows = [_row(version, own, cases) for version in versions]
    return render(
        request,
        "casework/procedure.html",
        {
            "rules": rules,
            "chosen": next(row for row in rows if row.row.pk == chosen.pk),
            "diagram": _drawing(rules, counts),
            "states": [(s, counts.get(c, 0)) for c, s in rules.states.items() if not s.final],
            "clocks": [(rule, _(rule.source) if rule.source else "") for rule in rules.clocks.values()],
            "text": rule_procedures.readable(rules.text),
            "versions": rows,
            "against": against,
            "lines": _difference(against, rules) if against else (),
            "buttons": _buttons(actor, code),
            "as_of": moments.now(),
        },
    )


def _drawing(rules: Procedure, counts: dict[str, int]) -> str:
    titles = {role_code: role.title for role_code, role in roles.roles().items()}
    drawn = diagram.diagram(rules, get_language() or "zh-hans", counts=counts, role_titles=titles)
    return mark_safe(drawn)  # noqa: S308  our own drawing, titles escaped there


def _difference(before: ProcedureVersion, after: Procedure) -> tuple[differences.Line, ...]:
    old = library.version(before.pk)
    return differences.lines(rule_procedures.readable(old.text), rule_procedures.readable(after.text))


def _buttons(actor: Actor, code: str) -> list[Button]:
    """The city's own file, or its overrides, for who may write them."""
    book = rule_files.books()[library.KIND]
    if not rule_files.may(actor, book, ""):
        return []
    if code not in library.shipped_codes():
        return [Button(_("Edit"), reverse("rule", args=[library.KIND, code]), icon="pencil")]
    return [
        Button(
            _("Override for %(centre)s") % {"centre": centre},
            reverse("rule", args=[library.KIND, f"{code}.{variant}"]),
            icon="pencil",
        )
        for variant, centre in rule_procedures.VARIANTS.items()
    ]
