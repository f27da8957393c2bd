"""Where the boxes and arrows of a procedure's diagram lie: a layered drawing with lanes that never cross a box.

Columns are the stages in order, rows a grid common to all columns, so the gaps between columns (gutters) and rows
(channels) are free over the whole width. An arrow runs from a port at the side of its box into a gutter, along a
channel if it goes further, and enters its target from a gutter. Parallel pieces in one gutter or channel get tracks
of their own. 1. place boxes; 2. route every arrow on the abstract grid; 3. give out tracks and ports; 4. widen
gutters and channels to what they carry; 5. turn it all into points.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from xiuhua.casework.procedures import Action, Procedure, State

FONT, SMALL, LINE = 13, 12, 16
BOX_HEIGHT = 54
MIN_BOX, MAX_BOX = 96, 148
TRACK = 8  # between parallel arrows
MARGIN = 14
LEAST_GUTTER, LEAST_CHANNEL = 26, 24
STUB = 18  # length of an arrow that comes from nowhere (start)
PORT = 8  # between ports on one side of a box

Point = tuple[int, int]


# -- text -------------------------------------------------------------------------------------------------------------


def text_width(text: str, size: int = FONT) -> float:
    """Estimated width in pixels, rather too wide: 1 em for Chinese, 0.58 em for Latin, a little more for capitals."""
    return sum(
        size if unicodedata.east_asian_width(char) in "WF" else size * (0.7 if char.isupper() else 0.58)
        for char in text
    )


def fit(text: str, width: float, size: int) -> str:
    """The text, or its beginning and an ellipsis."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, width: float, size: int = FONT) -> tuple[str, ...]:
    """One or two lines, broken between words (Chinese anywhere), in the most even way; the rest is cut."""
    if text_width(text, size) <= width:
        return (text,)
    breaks = [
        i for i in range(1, len(text)) if text[i - 1] in " /" or (_is_chinese(text[i - 1]) and _is_chinese(text[i]))
    ]
    if not breaks:
        return (fit(text, width, size),)
    best = min(breaks, key=lambda i: max(text_width(text[:i].strip()), text_width(text[i:].strip())))
    return fit(text[:best].strip(), width, size), fit(text[best:].strip(), width, size)


def _is_chinese(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF" and char not in "，。、；：）】”’"


# -- what is drawn ----------------------------------------------------------------------------------------------------


@dataclass
class Box:
    """A state; pixels."""

    state: str
    column: int
    row: int
    lines: tuple[str, ...] = ()
    x: int = 0
    y: int = 0
    width: int = 0


@dataclass
class Column:
    title: str
    x: int = 0
    width: int = 0


@dataclass
class Wire:
    """An arrow for all actions from one state to another; ``source`` '' for the start and for wide actions."""

    source: str
    to: str
    actions: list[Action]
    back: bool = False
    label: str = ""
    points: list[Point] = field(default_factory=list)
    heading: Point = (1, 0)
    label_lines: tuple[str, ...] = ()  # empty where other arrows leave no room: then the name shows on hover only
    label_at: Point = (0, 0)

    def path(self) -> str:
        """SVG path data with straight pieces."""
        (x, y), *rest = self.points
        data = f"M{x} {y}"
        for nx, ny in rest:
            data += f"H{nx}" if ny == y else f"V{ny}" if nx == x else f"L{nx} {ny}"
            x, y = nx, ny
        return data


@dataclass
class Layout:
    boxes: dict[str, Box]
    columns: list[Column]
    wires: list[Wire]
    width: int = 0
    height: int = 0
    head: int = 0  # height of the stage names


@dataclass
class _Run:
    """A piece of an arrow in a gutter (vertical) or channel (horizontal), waiting for its track."""

    low: float
    high: float
    bias: float = 0  # runs with a lower bias lie nearer to the left (or top)
    track: int = 0


def _run(a: float, b: float, bias: float = 0) -> _Run:
    return _Run(min(a, b), max(a, b), bias)


@dataclass
class _Port:
    """Where an arrow meets a box: side L, R, T or B; the order on the side follows `aim`."""

    box: Box
    side: str
    aim: float
    leaving: bool
    offset: int = 0


@dataclass
class _Route:
    wire: Wire
    start: _Port | None
    end: _Port
    kind: str  # straight, down, up, side, far, start, wide
    gutters: list[tuple[int, _Run]] = field(default_factory=list)  # in order of travel
    channel: tuple[int, _Run] | None = None


def arrange(
    procedure: Procedure,
    language: str,
    wide_label: Callable[[Collection[str]], str],
    small_label: Callable[[State], str],
) -> Layout:
    """The whole layout of a procedure's diagram in pixels. ``wide_label`` names the stages of an action said for whole
    stages, ``small_label`` gives the second line of a box."""
    layout = _place(procedure, language, small_label)
    routes = _routes(procedure, layout, wide_label)
    _give_ports(routes)
    gutters, channels = _give_tracks(routes)
    _measure(layout, routes, gutters, channels)
    layout.wires = [route.wire for route in routes]
    return layout


# -- 1. boxes ---------------------------------------------------------------------------------------------------------


def _place(procedure: Procedure, language: str, small_label: Callable[[State], str]) -> Layout:
    stages = procedure.stages()
    titles = procedure.stage_titles
    columns = [Column(titles[code].in_language(language) if code in titles else "") for code in stages]
    boxes: dict[str, Box] = {}
    for index, stage in enumerate(stages):
        members = [state for state in procedure.states.values() if state.stage == stage]
        for row, state in enumerate(members):
            title = state.title.in_language(language)
            boxes[state.code] = Box(state.code, index, row, wrap(title, MAX_BOX - 20))
        widest = max(text_width(line) for member in members for line in boxes[member.code].lines)
        widest = max(widest, *(text_width(small_label(member), SMALL - 1) for member in members))
        head = text_width(columns[index].title, SMALL)
        columns[index].width = round(min(MAX_BOX, max(MIN_BOX, widest + 20, head)) / 2) * 2
    for box in boxes.values():
        box.width = columns[box.column].width
    return Layout(boxes, columns, [], head=40 if any(column.title for column in columns) else 22)


# -- 2. routes --------------------------------------------------------------------------------------------------------


def _routes(procedure: Procedure, layout: Layout, wide_label: Callable[[Collection[str]], str]) -> list[_Route]:
    pairs: dict[tuple[str, str], list[Action]] = defaultdict(list)
    wide: dict[tuple[str, str], list[Action]] = defaultdict(list)
    for action in procedure.actions.values():
        if not action.to:
            continue
        if action.start:
            pairs["", action.to].append(action)
        elif action.origin and action.origin.wide:
            order = [stage for stage in procedure.stages() if stage in action.origin.stages]
            wide[wide_label(order), action.to].append(action)
        else:
            for source in action.from_states:
                if source != action.to:
                    pairs[source, action.to].append(action)
    boxes = layout.boxes
    straight = _straight(pairs, boxes)
    routes = []
    for (source, to), actions in pairs.items():
        wire = Wire(source, to, actions)
        if not source:
            routes.append(_Route(wire, None, _Port(boxes[to], "T", 0, leaving=False), "start"))
        else:
            routes.append(_route(wire, boxes[source], boxes[to], (source, to) in straight))
    for (label, to), actions in wide.items():
        wire = Wire("", to, actions, label=label)
        routes.append(_Route(wire, None, _Port(boxes[to], "B", 0, leaving=False), "wide"))
    return routes


def _straight(pairs: Iterable[tuple[str, str]], boxes: dict[str, Box]) -> set[tuple[str, str]]:
    """Arrows to the next column in the same row, and down to the next box: drawn with one line."""
    found: set[tuple[str, str]] = set()
    for source, to in pairs:
        if source:
            a, b = boxes[source], boxes[to]
            if (b.column == a.column + 1 and a.row == b.row) or (a.column == b.column and b.row - a.row in (1, -1)):
                found.add((source, to))
    return found


def _route(wire: Wire, a: Box, b: Box, straight: bool) -> _Route:
    wire.back = b.column < a.column or (b.column == a.column and b.row < a.row)
    if straight and a.column == b.column:
        down = b.row > a.row
        start = _Port(a, "B" if down else "T", 0, leaving=True)
        end = _Port(b, "T" if down else "B", 0, leaving=False)
        return _Route(wire, start, end, "down" if down else "up")
    if straight:
        return _Route(wire, _Port(a, "R", 0, True), _Port(b, "L", 0, False), "straight")
    if a.column == b.column:  # past the boxes between, through the gutter on the left (back: right)
        side = "R" if wire.back else "L"
        gutter = a.column + 1 if wire.back else a.column
        run = _run(a.row, b.row, abs(a.row - b.row) * (1 if wire.back else -1))
        return _Route(wire, _Port(a, side, b.row, True), _Port(b, side, a.row, False), "side", [(gutter, run)])
    forward = b.column > a.column
    out, into = ("R", "L") if forward else ("L", "R")
    first = a.column + 1 if forward else a.column
    last = b.column if forward else b.column + 1
    start, end = _Port(a, out, b.row, True), _Port(b, into, a.row, False)
    if first == last:
        run = _run(a.row, b.row, _near_source(forward, abs(a.row - b.row)))
        return _Route(wire, start, end, "side", [(first, run)])
    channel = _channel(a, b)
    level = channel - 0.5
    leaving = _run(a.row, level, _near_source(forward, abs(a.row - level)))
    runs = [(first, leaving), (last, _run(level, b.row))]
    horizontal = _run(first, last, level)
    return _Route(wire, start, end, "far", runs, (channel, horizontal))


def _near_source(forward: bool, length: float) -> float:
    """Of arrows that fan out of one box the longest turns first, so that they do not cross."""
    return -length if forward else length


def _channel(a: Box, b: Box) -> int:
    """The channel (gap above that row) along which a far arrow travels: beside its source, on the target's side."""
    if b.row > a.row:
        return a.row + 1
    if b.row < a.row:
        return a.row
    return a.row + 1 if b.column < a.column else a.row


# -- 3. tracks and ports ----------------------------------------------------------------------------------------------


def _give_ports(routes: list[_Route]) -> None:
    """Offsets of ports from the middle of their side. Straight lines keep the middle; leaving and arriving ports at
    facing sides get different offsets, so that no two arrows share a line in a gutter."""
    sides: dict[tuple[str, str], list[_Route]] = defaultdict(list)
    gaps: dict[tuple[int, int], list[_Route]] = defaultdict(list)
    for route in routes:
        for port in (route.start, route.end):
            if port is not None:
                sides[port.box.state, port.side].append(route)
        if route.kind in ("down", "up") and route.start is not None:
            gaps[route.end.box.column, min(route.start.box.row, route.end.box.row)].append(route)
    for gap in gaps.values():  # between two boxes of a column: down on the left, up on the right
        for route in gap:
            assert route.start is not None
            shift = 0 if len(gap) == 1 else -PORT if route.kind == "down" else PORT
            route.start.offset = route.end.offset = shift
    for (state, side), found in sides.items():
        if side in "LR":
            _ports_beside(state, side, found)
            continue
        loose = [route for route in found if route.kind in ("start", "wide")]  # they keep clear of the others
        for number, route in enumerate(loose):
            least = 0 if len(found) == len(loose) else 3 * PORT
            route.end.offset = least + 2 * PORT * number


def _ports_beside(state: str, side: str, routes: list[_Route]) -> None:
    """The straight line keeps the middle, all that arrives shares one port, all that leaves has a port of its own."""
    arriving: list[_Port] = []
    leaving: list[_Port] = []
    taken = False
    for route in routes:
        if route.kind == "straight":
            taken = True
        elif route.end.box.state == state and route.end.side == side:
            arriving.append(route.end)
        elif route.start:
            leaving.append(route.start)
    groups: list[tuple[float, list[_Port]]] = [(port.aim, [port]) for port in leaving]
    if arriving:
        groups.append((sum(port.aim for port in arriving) / len(arriving), arriving))
    groups.sort(key=lambda group: group[0])
    for (_, ports), spot in zip(groups, _spots(len(groups), taken, side), strict=True):
        for port in ports:
            port.offset = spot


def _spots(count: int, taken: bool, side: str) -> list[int]:
    """Offsets around the middle, in rising order: even ones on the left, odd ones on the right, so that arrows of two
    boxes that face each other never meet. They come closer together when there are many."""
    room: list[int] = []
    for step in (PORT, 6, 4, 2):
        shift = 0 if side == "L" else step // 2 | 1
        least = 6 if taken else 1 if side == "L" else 0  # the middle is for straight lines
        room = [k * step + shift for k in range(-12, 13) if least <= abs(k * step + shift) <= 22]
        if len(room) >= count:
            break
    chosen = sorted(sorted(room, key=abs)[:count])
    return chosen + [room[-1]] * (count - len(chosen))


def _give_tracks(routes: list[_Route]) -> tuple[dict[int, int], dict[int, int]]:
    """A track for every run; returns how many tracks each gutter and channel carries."""
    gutters: dict[int, list[_Run]] = defaultdict(list)
    channels: dict[int, list[_Run]] = defaultdict(list)
    for route in routes:
        for gutter, run in route.gutters:
            gutters[gutter].append(run)
        if route.channel:
            channels[route.channel[0]].append(route.channel[1])
    return (
        {gutter: _colour(runs) for gutter, runs in gutters.items()},
        {channel: _colour(runs) for channel, runs in channels.items()},
    )


def _colour(runs: list[_Run]) -> int:
    """Greedy interval colouring from the left (or top), by bias."""
    tracks: list[list[_Run]] = []
    for run in sorted(runs, key=lambda r: (r.bias, r.low)):
        free = (
            number
            for number, track in enumerate(tracks)
            if all(run.low > other.high or run.high < other.low for other in track)
        )
        run.track = next(free, len(tracks))
        if run.track == len(tracks):
            tracks.append([])
        tracks[run.track].append(run)
    return len(tracks)


# -- 4. and 5. pixels -------------------------------------------------------------------------------------------------


def _measure(layout: Layout, routes: list[_Route], gutters: dict[int, int], channels: dict[int, int]) -> None:
    rows = 1 + max(box.row for box in layout.boxes.values())
    wide = [route for route in routes if route.kind == "wide"]
    for route in wide:
        below = [r for r in routes if r is not route and _touches_bottom(r, route.end.box.state)]
        column = layout.columns[route.end.box.column]
        route.wire.label_lines = () if below else wrap(route.wire.label, column.width, SMALL - 1)
    x = MARGIN
    gutter_x: list[int] = []
    for number, column in enumerate(layout.columns):
        gutter_x.append(x)
        count = gutters.get(number, 0)
        x += max(LEAST_GUTTER if number else 0, (count + 1) * TRACK + 10 if count else 0)
        column.x = x
        x += column.width
    gutter_x.append(x)
    right = gutters.get(len(layout.columns), 0)
    x += (right + 1) * TRACK if right else 0
    wide_room: dict[int, int] = defaultdict(int)
    for route in wide:
        row = route.end.box.row + 1
        wide_room[row] = max(wide_room[row], 20 + 14 * len(route.wire.label_lines))
    y = layout.head
    channel_y: list[int] = []
    row_y: list[int] = []
    for row in range(rows):
        channel_y.append(y)
        count = channels.get(row, 0)
        least = (0 if row == 0 else LEAST_CHANNEL) + (STUB if row == 0 else 0)
        y += max(least, (count + 1) * TRACK + 6 if count else 0) + wide_room.get(row, 0)
        row_y.append(y)
        y += BOX_HEIGHT
    channel_y.append(y)
    bottom = channels.get(rows, 0)
    y += (bottom + 1) * TRACK + 4 if bottom else 0
    y += wide_room.get(rows, 0)
    for box in layout.boxes.values():
        box.x, box.y = layout.columns[box.column].x, row_y[box.row]
    for route in routes:
        _draw(route, gutter_x, channel_y)
    layout.width, layout.height = x + MARGIN, y + MARGIN


def _touches_bottom(route: _Route, state: str) -> bool:
    return any(port is not None and (port.box.state, port.side) == (state, "B") for port in (route.start, route.end))


def _port_point(port: _Port) -> Point:
    box = port.box
    if port.side == "L":
        return box.x, box.y + BOX_HEIGHT // 2 + port.offset
    if port.side == "R":
        return box.x + box.width, box.y + BOX_HEIGHT // 2 + port.offset
    middle = box.x + box.width // 2 + port.offset
    return middle, box.y if port.side == "T" else box.y + BOX_HEIGHT


_INTO: dict[str, Point] = {"L": (1, 0), "R": (-1, 0), "T": (0, 1), "B": (0, -1)}


def _draw(route: _Route, gutter_x: list[int], channel_y: list[int]) -> None:
    """Fill in the points of one arrow."""
    wire, end = route.wire, _port_point(route.end)
    wire.heading = _INTO[route.end.side]
    if route.kind == "start":
        wire.points = [(end[0], end[1] - STUB + 4), end]
    elif route.kind == "wide":
        wire.points = [(end[0], end[1] + 16), end]
        wire.label_at = (end[0], end[1] + 28)
    else:
        assert route.start is not None
        start = _port_point(route.start)
        if route.kind in ("down", "up", "straight"):
            wire.points = [start, end]
        else:
            xs = [gutter_x[number] + 8 + (run.track + 1) * TRACK - 4 for number, run in route.gutters]
            if route.channel is None:
                wire.points = [start, (xs[0], start[1]), (xs[0], end[1]), end]
            else:
                number, run = route.channel
                y = channel_y[number] + 4 + (run.track + 1) * TRACK
                wire.points = [start, (xs[0], start[1]), (xs[0], y), (xs[1], y), (xs[1], end[1]), end]
