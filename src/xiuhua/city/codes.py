"""Codes of grids, components and divisions, read by named schemes; nothing has a fixed length in the tables.

A scheme lists its parts with their digits, so that an error can say which digits are wrong. Sources:
GB/T 2260 (county), GB/T 10114 (street), GB/T 30428.2-2013 (16-digit component), GB/T 47678.5-2026 (15-digit
grid, 17-digit component).
"""

from __future__ import annotations

from dataclasses import dataclass

from xiuhua.manifest import Text


@dataclass(frozen=True, slots=True)
class Part:
    """One group of digits; ``serial`` parts count from 1, so that all zeros is no number."""

    name: str
    title: Text
    width: int
    serial: bool = False


@dataclass(frozen=True, slots=True)
class CodeScheme:
    """A code made of parts one after the other."""

    code: str
    title: Text
    parts: tuple[Part, ...]

    @property
    def length(self) -> int:
        return sum(part.width for part in self.parts)


@dataclass(frozen=True, slots=True)
class CodeFault:
    """What is wrong with a code: a short name, the digits concerned (from 1) and a sentence."""

    kind: str
    first: int
    last: int
    message: Text


class CodeError(ValueError):
    """A code that its scheme does not accept; ``faults`` has every place."""

    def __init__(self, code: str, faults: tuple[CodeFault, ...]) -> None:
        self.code = code
        self.faults = faults
        super().__init__(" ".join(str(fault.message) for fault in faults))

    @property
    def message(self) -> Text:
        return Text(
            "".join(fault.message.zh for fault in self.faults),
            " ".join(fault.message.en for fault in self.faults),
        )


_COUNTY = Part("county", Text("县级行政区划代码", "county code"), 6)
_TOWNSHIP = Part("sub_district", Text("街道（乡镇）代码", "sub-district code"), 3, serial=True)
_VILLAGE = Part("community", Text("社区（村）代码", "community code"), 3, serial=True)
_MAJOR = Part("major", Text("大类代码", "major class"), 2, serial=True)
_SERIAL = Part("serial", Text("流水号", "serial number"), 6, serial=True)

GRID_SCHEMES: dict[str, CodeScheme] = {
    "grid15": CodeScheme(
        "grid15",
        Text("单元网格标识码（15位）", "unit grid code (15 digits)"),
        (_COUNTY, _TOWNSHIP, _VILLAGE, Part("number", Text("网格顺序号", "grid number"), 3, serial=True)),
    ),
}

#: Keyed by the category scheme that a component was surveyed under.
COMPONENT_SCHEMES: dict[str, CodeScheme] = {
    "2013": CodeScheme(
        "2013",
        Text("部件标识码（2013版，16位）", "component identifier (2013, 16 digits)"),
        (_COUNTY, _MAJOR, Part("minor", Text("小类代码", "minor class"), 2, serial=True), _SERIAL),
    ),
    "2026": CodeScheme(
        "2026",
        Text("部件标识码（2026版，17位）", "component identifier (2026, 17 digits)"),
        (_COUNTY, _MAJOR, Part("minor", Text("小类代码", "minor class"), 3, serial=True), _SERIAL),
    ),
}

#: Digits of a division code -> level, as in `Division.Level`; a city may also be written with six ("421200").
DIVISION_LEVELS: dict[int, str] = {2: "province", 4: "city", 6: "county", 9: "township", 12: "village"}


def faults(code: str, scheme: CodeScheme) -> tuple[CodeFault, ...]:
    """Every fault of ``code`` under ``scheme``, in the order of its digits; empty when it is good."""
    found: list[CodeFault] = []
    for place, sign in enumerate(code, 1):
        if not (sign.isascii() and sign.isdigit()):
            zh, en = f"第{place}位“{sign}”不是数字。", f"Character {place}, {sign!r}, is no digit."
            found.append(CodeFault("not_a_digit", place, place, Text(zh, en)))
    if len(code) != scheme.length:
        zh = f"{scheme.title.zh}应为{scheme.length}位，实有{len(code)}位。"
        en = f"A {scheme.title.en} was expected, but there are {len(code)} characters."
        found.append(CodeFault("length", 1, len(code), Text(zh, en)))
    if found:
        return tuple(found)
    start = 0
    for part in scheme.parts:
        digits = code[start : start + part.width]
        first, last = start + 1, start + part.width
        if part is _COUNTY and digits[0] == "0":
            zh = f"第{first}—{last}位“{digits}”不是{part.title.zh}。"
            en = f"Digits {first}-{last}, {digits!r}, are no {part.title.en}."
            found.append(CodeFault(part.name, first, last, Text(zh, en)))
        elif part.serial and not digits.strip("0"):
            zh = f"第{first}—{last}位（{part.title.zh}）不能全为0。"
            en = f"Digits {first}-{last} ({part.title.en}) must not all be zero."
            found.append(CodeFault(part.name, first, last, Text(zh, en)))
        start = last
    return tuple(found)


def parts(code: str, scheme: CodeScheme) -> dict[str, str]:
    """The digits of each part by name; raises CodeError."""
    wrong = faults(code, scheme)
    if wrong:
        raise CodeError(code, wrong)
    answer: dict[str, str] = {}
    start = 0
    for part in scheme.parts:
        answer[part.name] = code[start : start + part.width]
        start += part.width
    return answer


@dataclass(frozen=True, slots=True)
class GridCode:
    """A unit grid code with the division codes that it nests in."""

    code: str
    county: str
    sub_district: str
    community: str
    number: int


def grid_code(code: str, scheme: str = "grid15") -> GridCode:
    """Read a unit grid code; raises CodeError naming the digits, KeyError for an unknown scheme."""
    read = parts(code, GRID_SCHEMES[scheme])
    county = read["county"]
    street = county + read["sub_district"]
    return GridCode(code, county, street, street + read["community"], int(read["number"]))


def make_grid_code(community: str, number: int) -> str:
    """The 15-digit code of grid ``number`` (1 to 999) of a community; raises CodeError."""
    code = f"{community}{number:03d}"
    grid_code(code)
    return code


@dataclass(frozen=True, slots=True)
class ComponentCode:
    """A component identifier taken apart; ``class_code`` is major and minor together."""

    code: str
    scheme: str
    county: str
    major: str
    minor: str
    serial: int

    @property
    def class_code(self) -> str:
        return self.major + self.minor


def component_code(code: str, scheme: str) -> ComponentCode:
    """Read a component identifier of category scheme ``scheme``; raises CodeError, KeyError if unknown."""
    read = parts(code, COMPONENT_SCHEMES[scheme])
    return ComponentCode(code, scheme, read["county"], read["major"], read["minor"], int(read["serial"]))


def make_component_code(scheme: str, county: str, class_code: str, serial: int) -> str:
    """The identifier with the six-digit ``serial``; raises CodeError."""
    code = f"{county}{class_code}{serial:06d}"
    component_code(code, scheme)
    return code


def division_level(code: str) -> str:
    """Level of a division code: province, city, county, township or village; raises CodeError."""
    wrong = CodeFault(
        "division",
        1,
        len(code),
        Text(
            f"“{code}”不是行政区划代码：应为2、4、6、9或12位数字。",
            f"{code!r} is no division code: 2, 4, 6, 9 or 12 digits are expected.",
        ),
    )
    level = DIVISION_LEVELS.get(len(code))
    if level is None or not (code.isascii() and code.isdigit()) or code[0] == "0":
        raise CodeError(code, (wrong,))
    return "city" if level == "county" and code.endswith("00") else level


def division_parent(code: str) -> str:
    """Code of the division above, in the form that is kept (a city as six digits); '' above a province."""
    level = division_level(code)
    if level == "village":
        return code[:9]
    if level == "township":
        return code[:6]
    if level == "county":
        return code[:4] + "00"
    return code[:2] if level == "city" else ""
