"""The book of procedures: a city's own procedures and overrides, named by what they make (``lamp_check``,
``city_case.one_centre``).

All of a city's files and all that ships are judged together, so a publication is whole or does not happen. Running cases
keep the version that they started with (`library`).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources

import yaml

from xiuhua.casework import library, rule_files
from xiuhua.casework.models import ProcedureVersion, RuleVersion
from xiuhua.casework.procedures import Library
from xiuhua.casework.rule_files import Change, Verdict
from xiuhua.casework.yaml_source import ProcedureFault, SourceFile, SourcesBroken, read
from xiuhua.city.models import Platform
from xiuhua.manifest import Text

KIND = library.KIND
_NAME = re.compile(r"([a-z][a-z0-9_]{0,39})(?:\.([a-z0-9_]{1,40}))?")
#: What an override may be for: `library.current` looks for the centre model of a platform.
VARIANTS = {
    f"{Platform.CentreModel.ONE}_centre": Text("一个中心", "one centre"),
    f"{Platform.CentreModel.TWO}_centre": Text("两个中心", "two centres"),
}


class ProcedureBook:
    kind = KIND
    title = Text("办理流程", "Procedures")
    help = Text(
        "本市自定流程，或对随附流程的覆盖（时限、角色、表单等）。在办案件沿用其开始时的版本。",
        "The city's own procedures, and overrides of those that ship (limits, roles, forms). Running cases keep the "
        "version that they started with.",
    )

    def names(self) -> tuple[str, ...]:
        return ()

    def knows(self, name: str) -> bool:
        """``code`` of a procedure that does not ship, or ``code.variant`` of any."""
        found = _NAME.fullmatch(name)
        if found is None:
            return False
        return found[2] in VARIANTS if found[2] else found[1] not in library.shipped_codes()

    def title_of(self, name: str) -> Text:
        code, _dot, variant = name.partition(".")
        row = ProcedureVersion.objects.filter(code=code, active=True).order_by("variant").first()
        title = Text(row.title_zh, row.title_en) if row else Text(code, code)
        if not variant:
            return title
        centre = VARIANTS[variant]
        return Text(f"{title.zh}（{centre.zh}）", f"{title.en} ({centre.en})")

    def platform_of(self, name: str) -> str:
        return ""

    def start(self, name: str) -> str:
        code, _dot, variant = name.partition(".")
        if variant:
            return f"override: {code}\nfor: {variant}\n"
        return _pattern().replace("lamp_check", code)

    def shipped(self, name: str) -> tuple[SourceFile, ...]:
        """The file that ships under this name, and the base of an override."""
        base = name.partition(".")[0]
        found = {library.name_of(one): one for one in library.shipped_sources()}
        return tuple(found[one] for one in dict.fromkeys((name, base)) if one in found)

    def judge(self, name: str, text: str) -> Verdict:
        source = SourceFile(name, text)
        faults = self._misnamed(name, source) if text else []
        try:
            made = library.from_rooms([source] if text else [], without=name)
        except SourcesBroken as broken:
            raise SourcesBroken([*faults, *broken.faults]) from broken
        if faults:
            raise SourcesBroken(faults)
        return Verdict(tuple(_changes(made)), made)

    def _misnamed(self, name: str, source: SourceFile) -> list[ProcedureFault]:
        tree, faults = read(source)
        found = library.name_of(source)
        if faults or found in (None, name):
            return []
        where = "override" if "override" in tree.data else "procedure"
        said = f"此处编辑的是 {name}，文件却是 {found}", f"this is the place of {name}, but the file makes {found}"
        return [tree.fault((where,), *said)]

    def take(self, row: RuleVersion, verdict: Verdict) -> None:
        made: Library = verdict.made
        library.publish(made, row)


def _changes(made: Library) -> list[Change]:
    """Against what is in force: a platform whose variant is not there runs by the plain procedure, before and after."""
    active = {(row.code, row.variant): row for row in ProcedureVersion.objects.filter(active=True)}
    found = []
    for (code, variant), new in made.procedures.items():
        row = active.get((code, variant)) or active.get((code, ""))
        if row is not None and row.digest == new.digest:
            continue
        before, after = readable(row.text) if row else "", readable(new.text)
        if before != after:
            found.append(Change(_titled(new.title, variant), before, after, new))
    for (code, variant), row in active.items():
        if (code, variant) in made.procedures:
            continue
        base = made.procedures.get((code, ""))
        title = _titled(Text(row.title_zh, row.title_en), variant)
        found.append(Change(title, readable(row.text), readable(base.text) if base else "", base))
    return found


def _titled(title: Text, variant: str) -> Text:
    centre = VARIANTS.get(variant)
    return Text(f"{title.zh}（{centre.zh}）", f"{title.en} ({centre.en})") if centre else title


def readable(text: str) -> str:
    """A stored version (canonical JSON) as YAML, base and override resolved."""
    data = json.loads(text)
    data.pop("variant", None)
    shown: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=110, default_flow_style=None)
    return shown


@lru_cache(maxsize=1)
def _pattern() -> str:
    return (resources.files("xiuhua.casework") / "data" / "new_procedure.yaml").read_text("utf-8")


rule_files.register(ProcedureBook())
