"""A procedure drawn as SVG: stages as columns, states as boxes, actions as arrows.

Classes carry all colour (`diagram.css`); without them the drawing still reads in the colour of the text, light or
dark. There is no inline style and no script. Arrows name their actions on hover through ``<title>``; the whole says
itself in ``<title>`` and ``<desc>``. The geometry comes from `diagram_layout`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from xml.sax.saxutils import escape, quoteattr

from xiuhua.casework.diagram_layout import BOX_HEIGHT, FONT, LINE, SMALL, Box, Layout, Wire, arrange, fit
from xiuhua.casework.procedures import Action, Procedure, State
from xiuhua.manifest import Text

#: A wider drawing shrinks to its card, but not below this (pixels): then one scrolls.
READABLE = 880
WORDS: dict[str, tuple[str, str]] = {
    "what": ("“{title}”流程图", "Diagram of the procedure “{title}”"),
    "desc": ("{states} 个状态，{actions} 个动作。", "{states} states, {actions} actions."),
    "here": ("当前状态：{state}。", "Present state: {state}."),
    "counts": ("在办数量：{list}。", "Open cases: {list}."),
    "holder": ("由{holder}办理", "Held by {holder}"),
    "count": ("{count} 件", "{count} cases"),
    "stay": ("可办：{actions}", "Also possible: {actions}"),
    "wide": ("{where} → {to}：{actions}", "{where} → {to}: {actions}"),
    "any": ("任一环节", "any stage"),
    "start": ("开始", "Start"),
    "system": ("自动", "automatic"),
    "across": ("上级平台也可办", "also by the platform above"),
    "children": ("等待子任务", "waits for tasks"),
    "hands": ("多方办理", "several hands"),
}


def diagram(
    procedure: Procedure,
    language: str,
    current: str | None = None,
    counts: Mapping[str, int] | None = None,
    visited: Collection[str] = (),
    role_titles: Mapping[str, Text] | None = None,
) -> str:
    """The drawing as one ``<svg>`` element.

    ``current``: the state to mark; ``counts``: live numbers by state; ``visited``: states that a case has passed;
    ``role_titles``: names for role codes (the code itself without). Unknown state codes are left out.
    """
    return _Drawing(procedure, language, current, counts or {}, frozenset(visited), role_titles or {}).svg()


class _Drawing:
    def __init__(
        self,
        procedure: Procedure,
        language: str,
        current: str | None,
        counts: Mapping[str, int],
        visited: frozenset[str],
        roles: Mapping[str, Text],
    ) -> None:
        self.procedure, self.language, self.current = procedure, language, current
        self.counts, self.visited, self.roles = counts, visited, roles
        self.layout: Layout = arrange(procedure, language, self.wide_label, self.holder)

    def word(self, key: str, **values: object) -> str:
        return Text(*WORDS[key]).in_language(self.language).format(**values)

    def text(self, title: Text) -> str:
        return title.in_language(self.language)

    def join(self, words: Collection[str]) -> str:
        return ("、" if not self.language.startswith("en") else ", ").join(words)

    def wide_label(self, stages: Collection[str]) -> str:
        """Where an action said for whole stages may be taken; '' stages: everywhere."""
        titles = self.procedure.stage_titles
        if not stages:
            return self.word("any")
        names = [self.text(titles[code]) if code in titles else code for code in stages]
        if self.language.startswith("en"):
            return f"any stage from {names[0]} to {names[-1]}" if len(names) > 1 else f"any in {names[0]}"
        return f"{names[0]}至{names[-1]}各环节" if len(names) > 1 else f"{names[0]}环节"

    def svg(self) -> str:
        width, height = self.layout.width, self.layout.height
        name = f"pd-{self.procedure.code}"
        wide = " is-wide" if width > READABLE else ""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="procedure-diagram{wide}" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-labelledby="{name}-title {name}-desc" '
            f'font-size="{FONT}" fill="currentColor" stroke="none">',
            f'<title id="{name}-title">{escape(self.word("what", title=self.text(self.procedure.title)))}</title>',
            f'<desc id="{name}-desc">{escape(self.description())}</desc>',
            *self.columns(),
            '<g class="pd-wires" fill="none" stroke="currentColor" stroke-width="1.25" stroke-linejoin="round">',
            *(self.wire(wire) for wire in self.layout.wires),
            "</g>",
            *(self.box(box) for box in self.layout.boxes.values()),
            "</svg>",
        ]
        return "".join(parts)

    def description(self) -> str:
        states = self.procedure.states
        words = [self.word("desc", states=len(states), actions=len(self.procedure.actions))]
        if self.current in states:
            words.append(self.word("here", state=self.text(states[str(self.current)].title)))
        if found := [f"{self.text(states[c].title)} {n}" for c, n in self.counts.items() if c in states and n]:
            words.append(self.word("counts", list=self.join(found)))
        return " ".join(words)

    def columns(self) -> list[str]:
        parts = []
        for column in self.layout.columns:
            if not column.title:
                continue
            # The lane is a hairline under the stage's name, as wide as its boxes.
            parts.append(
                f'<text class="pd-stage" x="{column.x}" y="{self.layout.head - 12}" font-size="{SMALL}" '
                f'fill-opacity="0.7">{escape(column.title)}</text>'
                f'<path class="pd-lane" d="M{column.x} {self.layout.head - 5}H{column.x + column.width}" '
                f'stroke="currentColor" stroke-opacity="0.25" fill="none"/>'
            )
        return parts

    # -- boxes --

    def box(self, box: Box) -> str:
        state = self.procedure.states[box.state]
        here = box.state == self.current
        classes = ["pd-state"]
        classes += ["is-final"] if state.final else []
        classes += ["is-visited"] if box.state in self.visited and not here else []
        classes += ["is-current"] if here else []
        radius = BOX_HEIGHT // 2 if state.final else 8
        attributes = (
            'fill="currentColor" fill-opacity="0.12" stroke-width="2.5"'
            if here
            else f'fill="currentColor" fill-opacity="{"0.05" if box.state in self.visited else "0"}" stroke-width="1.25"'
        )
        small = self.holder(state)
        top = box.y + (BOX_HEIGHT - (len(box.lines) * LINE + (14 if small else 0))) / 2
        parts = [
            f'<g class="{" ".join(classes)}" data-state={quoteattr(box.state)}>'
            f"<title>{escape(self.box_title(state))}</title>"
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{BOX_HEIGHT}" rx="{radius}" '
            f'stroke="currentColor" {attributes}/>'
        ]
        middle = box.x + box.width / 2
        weight = ' font-weight="600"' if here else ""
        for number, line in enumerate(box.lines):
            y = top + number * LINE + LINE * 0.78
            parts.append(
                f'<text class="pd-name" x="{middle:g}" y="{y:g}" text-anchor="middle"{weight}>{escape(line)}</text>'
            )
        if small:
            y = top + len(box.lines) * LINE + 11
            parts.append(
                f'<text class="pd-holder" x="{middle:g}" y="{y:g}" text-anchor="middle" font-size="{SMALL - 1}" '
                f'fill-opacity="0.7">{escape(fit(small, box.width - 16, SMALL - 1))}</text>'
            )
        if count := self.counts.get(box.state):
            parts.append(self.badge(box, count))
        return "".join([*parts, "</g>"])

    def badge(self, box: Box, count: int) -> str:
        """The live count, on the upper right corner of the box."""
        label = str(count) if count < 10_000 else "9999+"
        width = max(20, 9 + 7 * len(label))
        x, y = box.x + box.width - width + 8, box.y - 9
        return (
            f'<g class="pd-count"><rect x="{x}" y="{y}" width="{width}" height="18" rx="9" fill="currentColor"/>'
            f'<text x="{x + width / 2:g}" y="{y + 13}" text-anchor="middle" font-size="{SMALL}" font-weight="600" '
            f'class="pd-count-text" fill="Canvas">{label}</text></g>'
        )

    def holder(self, state: State) -> str:
        if state.collect:
            return self.word("hands")
        if state.holder is None:
            return ""
        if state.holder.children:
            return self.word("children")
        role = state.holder.role or ""
        return self.text(self.roles[role]) if role in self.roles else role

    def box_title(self, state: State) -> str:
        words = [self.text(state.title)]
        if holder := self.holder(state):
            words.append(self.word("holder", holder=holder) if state.holder and state.holder.role else holder)
        if count := self.counts.get(state.code):
            words.append(self.word("count", count=count))
        stay = [a for a in self.procedure.actions_from(state.code) if a.to is None and not a.system_only]
        if stay:
            words.append(self.word("stay", actions=self.join([self.action_title(a) for a in stay])))
        return " · ".join(words)

    # -- wires --

    def wire(self, wire: Wire) -> str:
        names = self.join([self.action_title(action) for action in wire.actions])
        states = self.procedure.states
        if wire.label:
            title = self.word("wide", where=wire.label, to=self.text(states[wire.to].title), actions=names)
        else:
            source = self.text(states[wire.source].title) if wire.source else self.word("start")
            title = f"{source} → {self.text(states[wire.to].title)}: {names}"
        classes = ["pd-wire"]
        classes += ["is-back"] if wire.back else []
        classes += ["is-system"] if all(action.system_only for action in wire.actions) else []
        classes += ["is-next"] if wire.source and wire.source == self.current else []
        dash = ' stroke-dasharray="5 4"' if wire.back else ""
        x, y = wire.points[-1]
        dx, dy = wire.heading
        head = f"M{x - 7 * dx - 4 * dy} {y - 7 * dy - 4 * dx}L{x} {y}L{x - 7 * dx + 4 * dy} {y - 7 * dy + 4 * dx}"
        label = ""
        for number, line in enumerate(wire.label_lines):
            lx, ly = wire.label_at
            label += (
                f'<text class="pd-wide" x="{lx}" y="{ly + 14 * number}" text-anchor="middle" '
                f'font-size="{SMALL - 1}" fill="currentColor" stroke="none" fill-opacity="0.7">{escape(line)}</text>'
            )
        opacity = ' stroke-opacity="0.55"' if wire.back else ' stroke-opacity="0.8"'
        path = wire.path()
        # The wide invisible stroke under the line is what the pointer finds.
        return (
            f'<g class="{" ".join(classes)}"{opacity}><title>{escape(title)}</title>'
            f'<path class="pd-hit" d="{path}" stroke-width="9" stroke-opacity="0"/>'
            f'<path class="pd-line" d="{path}"{dash}/><path class="pd-head" d="{head}"/>{label}</g>'
        )

    def action_title(self, action: Action) -> str:
        title = self.text(action.title)
        note = "system" if action.system_only else "across" if action.across else ""
        return f"{title} ({self.word(note)})" if note else title
