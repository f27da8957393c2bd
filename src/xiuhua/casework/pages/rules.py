"""The city's own rules: what there is, and the editor that checks, previews and publishes one file."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from xiuhua.casework import diagram, library, moments, rule_files, rule_procedures
from xiuhua.casework.models import RuleVersion
from xiuhua.casework.pages import differences
from xiuhua.casework.rule_files import Book, Change
from xiuhua.casework.yaml_source import ProcedureFault, SourcesBroken
from xiuhua.city import roles
from xiuhua.city.access import Actor, requires
from xiuhua.manifest import Text
from xiuhua.ui.parts import Badge

#: Versions shown of one file.
MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class FaultLine:
    """A fault, where it is, and the line that it is about; ``here`` when that line stands in the editor."""

    fault: ProcedureFault
    said: str
    line: str
    here: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A `Change` ready to be drawn."""

    title: Text
    lines: tuple[differences.Line, ...]
    drawing: str
    gone: bool


# -- what there is -----------------------------------------------------------------------------------------------------


@requires(rule_files.PERMISSION)
@require_GET
def rule_list(request: HttpRequest) -> HttpResponse:
    """Every file that the reader may edit, with its version; the way to a new one."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    rows = {(row.kind, row.name): row for row in rule_files.latest().select_related("published_by")}
    groups = []
    for kind, book in rule_files.books().items():
        names = [*book.names(), *(name for k, name in rows if k == kind and name not in book.names())]
        files = [
            (book.title_of(name), _address(book, name), rows.get((kind, name)), _source(rows.get((kind, name))))
            for name in names
            if book.knows(name) and rule_files.may(actor, book, name)
        ]
        if files or (kind == library.KIND and rule_files.may(actor, book, "")):
            groups.append((book, files))
    may_write = rule_files.may(actor, rule_files.books()[library.KIND], "")
    return render(
        request,
        "casework/rules.html",
        {
            "groups": groups,
            "overridable": _overridable() if may_write else (),
            "kind": library.KIND,
            "as_of": moments.now(),
        },
    )


def _overridable() -> list[tuple[str, Text]]:
    """Name and title of every override that a city may write."""
    found = {version.code: version.title for version in map(library.version, library.active()) if not version.variant}
    return [
        (f"{code}.{variant}", Text(f"{title.zh}（{centre.zh}）", f"{title.en} ({centre.en})"))
        for code, title in sorted(found.items())
        for variant, centre in rule_procedures.VARIANTS.items()
    ]


def _heading(book: Book, name: str) -> Text:
    """A platform's file says whose it is and of which book."""
    title = book.title_of(name)
    if not book.platform_of(name):
        return title
    return Text(f"{book.title.zh} · {title.zh}", f"{book.title.en} · {title.en}")


def _source(row: RuleVersion | None) -> Badge:
    if row is None or not row.text:
        return Badge(_("as shipped"), "done")
    return Badge(_("the city's own"), "info")


def _address(book: Book, name: str) -> str:
    return reverse("rule", args=[book.kind, name] if name else [book.kind])


@requires(rule_files.PERMISSION)
@require_GET
def open_procedure(request: HttpRequest) -> HttpResponse:
    """From the form of the list to the editor of the file that it names."""
    name = request.GET.get("name", "").strip()
    if not rule_files.books()[library.KIND].knows(name):
        messages.error(
            request,
            _("A code begins with a letter, has only a-z, 0-9 and _, and is not the code of a procedure that ships."),
        )
        return redirect("rules")
    return redirect("rule", library.KIND, name)


# -- the editor --------------------------------------------------------------------------------------------------------


@requires(rule_files.PERMISSION)
@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest, book: str, file: str = "") -> HttpResponse:
    """One file: its text to edit, what is wrong with it, what it would change, its versions.

    A POST checks (and shows what would change), publishes, or takes the city's file back; whatever happens, what was
    typed comes back with the answer.
    """
    actor: Actor = request.actor  # type: ignore[attr-defined]
    found = rule_files.books().get(book)
    if found is None or not found.knows(file) or not rule_files.may(actor, found, file):
        raise Http404(_("There is no such file of rules."))
    versions = list(rule_files.versions(book, file)[:MOST_VERSIONS])
    last = versions[0] if versions else None
    page = _Editor(found, file, versions, text=(last.text if last else "") or found.start(file))
    if request.method == "POST":
        return _posted(request, actor, page)
    wanted = request.GET.get("version", "")
    old = next((row for row in versions if str(row.version) == wanted), None)
    if old is not None:
        page.text, page.old = old.text or found.start(file), old
    elif last is not None and last.text:
        page.judge(last.text, only_faults=True)
    return page.answer(request)


def _posted(request: HttpRequest, actor: Actor, page: _Editor) -> HttpResponse:
    page.text = _plain(request.POST.get("text", ""))
    page.reason = _plain(request.POST.get("reason", "")).strip()
    page.base = _number(request.POST.get("base", ""))
    do = request.POST.get("do")
    if do == "check":
        return page.answer(request, 200 if page.judge(page.text) else 422)
    if do not in ("publish", "withdraw"):
        return page.answer(request, 422)
    if not page.text.strip() and do == "publish":
        page.judge(page.text)
        return page.answer(request, 422)
    if not page.reason or len(page.reason) > rule_files.MOST_REASON:
        page.reason_wrong = _("Say why, in at most %(most)s characters.") % {"most": rule_files.MOST_REASON}
        page.judge(page.text)
        return page.answer(request, 422)
    text = "" if do == "withdraw" else page.text
    try:
        row = rule_files.publish(page.book, page.name, text, base=page.base, actor=actor, reason=page.reason)
    except rule_files.Overtaken as overtaken:
        page.overtaken = overtaken.row
        page.shown = (Shown(page.title, differences.lines(overtaken.row.text, page.text), "", False),)
        return page.answer(request, 409)
    except rule_files.Unchanged:
        page.unchanged = True
        return page.answer(request, 422)
    except SourcesBroken as broken:
        page.broken(broken)
        return page.answer(request, 422)
    messages.success(
        request,
        _("Version %(version)s is in force in every part of the system within a second.") % {"version": row.version}
        if text
        else _("The city's file is taken back; what ships is in force."),
    )
    return redirect(_address(page.book, page.name))


class _Editor:
    """All that the page shows of one file."""

    def __init__(self, book: Book, name: str, versions: list[RuleVersion], text: str) -> None:
        self.book, self.name, self.versions, self.text = book, name, versions, text
        self.title = _heading(book, name)
        self.base = versions[0].version if versions else 0
        self.reason = self.reason_wrong = ""
        self.faults: tuple[FaultLine, ...] = ()
        self.shown: tuple[Shown, ...] = ()
        self.checked = self.unchanged = self.out_of_use = False
        self.overtaken: RuleVersion | None = None
        self.old: RuleVersion | None = None

    @property
    def own(self) -> bool:
        return bool(self.versions and self.versions[0].text)

    def judge(self, text: str, *, only_faults: bool = False) -> bool:
        try:
            verdict = self.book.judge(self.name, text or " ")
        except SourcesBroken as broken:
            self.broken(broken)
            self.out_of_use = only_faults
            return False
        if not only_faults:
            self.checked, self.shown = True, tuple(_shown(change) for change in verdict.changes)
        return True

    def broken(self, broken: SourcesBroken) -> None:
        written = self.text.splitlines()
        own = self.name or self.book.kind
        language = get_language() or ""
        self.faults = tuple(
            FaultLine(
                fault,
                fault.message.in_language(language),
                written[fault.line - 1].strip()[:160] if fault.file == own and fault.line <= len(written) else "",
                fault.file == own,
            )
            for fault in broken.faults
        )

    def answer(self, request: HttpRequest, status: int = 200) -> HttpResponse:
        against = differences.lines(self.versions[0].text, self.old.text) if self.old else ()
        return render(
            request,
            "casework/rule.html",
            {
                "page": self,
                "title": self.title,
                "address": _address(self.book, self.name),
                "source": _source(self.versions[0] if self.versions else None),
                "shipped": self.book.shipped(self.name),
                "rows": max(12, min(32, self.text.count("\n") + 3)),
                "against": against,
                "most_reason": rule_files.MOST_REASON,
                "as_of": moments.now(),
            },
            status=status,
        )


def _shown(change: Change) -> Shown:
    drawing = ""
    if change.procedure is not None:
        titles = {code: role.title for code, role in roles.roles().items()}
        drawn = diagram.diagram(change.procedure, get_language() or "zh-hans", role_titles=titles)
        drawing = mark_safe(drawn)  # noqa: S308  our own drawing, titles escaped there
    return Shown(change.title, differences.lines(change.before, change.after), drawing, not change.after)


def _plain(text: str) -> str:
    """As a file has it: browsers send lines with a carriage return."""
    return text.replace("\r\n", "\n")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
