# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Draw the state machines of the package from their tables.

C{python docs/make_diagrams.py} writes one SVG for each into C{docs/diagrams}.

A table maps a state and an event to the next state, or to the next state and the
effects of the transition.  Only the places of the states are chosen by hand; the
transitions are routed around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from twisted.python.reflect import namedAny

FOLDER = Path(__file__).parent / "diagrams"

#: Pixels: the distance of two places, the size of a state, a character, a line.
COLUMN, ROW = 215, 130
WIDTH, HEIGHT = 116, 38
CHARACTER, LINE = 5.5, 14
MARGIN = 14

STYLE = """\
<defs>
<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" \
markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker>
</defs>
<style>
.state{fill:#eaf2e3;stroke:#4a7c2c;stroke-width:1.5}
.start{fill:#eef;stroke:#558;stroke-width:1.5}
.move{stroke:#555;stroke-width:1.3;marker-end:url(#tip);fill:none}
.label{font-size:11px;fill:#333}
.blank{fill:#fff}
</style>
"""


@dataclass(frozen=True)
class Diagram:
    """
    One picture.

    @ivar name: the name of the file, without its ending.
    @ivar title: one line for readers who do not see the picture.
    @ivar table: the dotted name of the table.
    @ivar places: the column and the row of each state, by its name; the machine
        begins in the first one.
    """

    name: str
    title: str
    table: str
    places: dict[str, tuple[float, float]]


class Point(NamedTuple):
    """
    A place in the picture, in pixels.
    """

    x: float
    y: float


class Box(NamedTuple):
    """
    A rectangle in the picture, in pixels.
    """

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """
        Return whether two rectangles have a point in common.
        """
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, point: Point) -> bool:
        """
        Return whether a point lies in the rectangle.
        """
        return self.left <= point.x <= self.right and self.top <= point.y <= self.bottom

    def widened(self, by: float) -> Box:
        """
        Return the rectangle with a margin.
        """
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)


def extent(points: list[Point]) -> Box:
    """
    Return the smallest rectangle that holds some points.
    """
    across, down = zip(*points, strict=True)
    return Box(min(across), min(down), max(across), max(down))


def around(center: Point, width: float, height: float) -> Box:
    """
    Return the rectangle of a size around a point.
    """
    return Box(
        center.x - width / 2,
        center.y - height / 2,
        center.x + width / 2,
        center.y + height / 2,
    )


class Curve(NamedTuple):
    """
    A quadratic Bezier curve.
    """

    begin: Point
    control: Point
    end: Point

    def at(self, t: float) -> Point:
        """
        Return a point of the curve.

        @param t: from 0 at the begin to 1 at the end.
        """
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        return Point(
            a * self.begin.x + b * self.control.x + c * self.end.x,
            a * self.begin.y + b * self.control.y + c * self.end.y,
        )

    def between(self, start: float, stop: float) -> Curve:
        """
        Return a part of the curve.
        """

        def blend(s: float, t: float) -> Point:
            a, b, c = (1 - s) * (1 - t), s * (1 - t) + t * (1 - s), s * t
            return Point(
                a * self.begin.x + b * self.control.x + c * self.end.x,
                a * self.begin.y + b * self.control.y + c * self.end.y,
            )

        return Curve(blend(start, start), blend(start, stop), blend(stop, stop))


#: The points of a curve that are looked at.
STEP = 1 / 24
STEPS = [number * STEP for number in range(25)]


def named(member: object) -> str:
    """
    Return the text of a state, an event or an effect.
    """
    text = member.name if isinstance(member, Enum) else str(member)
    return text.lower().replace("_", " ")


def movesOf(table: dict[tuple[Any, Any], Any]) -> dict[tuple[str, str], list[str]]:
    """
    Join the transitions of a table that lead from one state to one other.

    @return: the events and effects, one a line, by the names of both states.
    """
    moves: dict[tuple[str, str], list[str]] = {}
    lines: dict[tuple[str, str, str], list[str]] = {}
    for (state, event), result in table.items():
        after, effects = result if isinstance(result, tuple) else (result, ())
        if effects is None or isinstance(effects, str | Enum):
            effects = () if effects is None else (effects,)
        effect = ", ".join(map(named, effects))
        lines.setdefault((named(state), named(after), effect), []).append(named(event))
    for (before, after, effect), events in lines.items():
        text = " · ".join(events)
        moves.setdefault((before, after), []).append(
            f"{text} / {effect}" if effect else text
        )
    return moves


class Drawing:
    """
    The layout of one diagram.

    @ivar states: the rectangles of the states, by name.
    @ivar paths: the curves that are drawn.
    @ivar labels: the texts of the transitions, and their rectangles.
    """

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.states = {
            name: around(Point(column * COLUMN, row * ROW), WIDTH, HEIGHT)
            for name, (column, row) in diagram.places.items()
        }
        self.paths: list[Curve] = []
        self._drawn: list[list[Point]] = []
        self.labels: list[tuple[Box, list[str]]] = []
        moves = movesOf(namedAny(f"twisted_libp2p.{diagram.table}"))
        for (before, after), lines in sorted(moves.items(), key=self._size):
            self._place(before, after, lines, (after, before) in moves)

    def _center(self, state: str) -> Point:
        column, row = self.diagram.places[state]
        return Point(column * COLUMN, row * ROW)

    def _size(self, move: tuple[tuple[str, str], list[str]]) -> tuple[float, str, str]:
        """
        Return a key that puts the shortest transitions first.
        """
        (before, after), _ = move
        a, b = self._center(before), self._center(after)
        return abs(a.x - b.x) + abs(a.y - b.y), before, after

    def _curves(self, before: str, after: str, twoWays: bool) -> Iterator[Curve]:
        """
        Suggest curves from one state to another, the straightest first.
        """
        a, b = self._center(before), self._center(after)
        if before == after:
            for x, y in ((0, -1), (0, 1)):
                yield Curve(
                    Point(a.x - 24, a.y),
                    Point(a.x + x, a.y + y * 130),
                    Point(a.x + 24, a.y),
                )
            return
        distance = ((a.x - b.x) ** 2 + (a.y - b.y) ** 2) ** 0.5
        across = Point((a.y - b.y) / distance, (b.x - a.x) / distance)
        bends = (28, 56, 84) if twoWays else (0, -28, 28, -56, 56, -84, 84)
        for bend in (*bends, -112, 112, -150, 150, -190, 190, -240, 240, -300, 300):
            middle = Point((a.x + b.x) / 2, (a.y + b.y) / 2)
            yield Curve(
                a,
                Point(
                    middle.x + across.x * bend * 1.6, middle.y + across.y * bend * 1.6
                ),
                b,
            )

    def _place(self, before: str, after: str, lines: list[str], twoWays: bool) -> None:
        """
        Draw a transition along the curve that disturbs the least.
        """
        width = max(map(len, lines)) * CHARACTER + 4
        height = len(lines) * LINE + 2
        best: tuple[float, Curve, Box] | None = None
        for rank, curve in enumerate(self._curves(before, after, twoWays)):
            cut = self._cut(curve, before, after)
            disturbance = rank + self._disturbance(cut, before, after)
            for t in (0.5, 0.4, 0.6, 0.3, 0.7):
                label = around(cut.at(t), width, height)
                cost = disturbance + 4 * abs(t - 0.5) + self._covered(label)
                if best is None or cost < best[0]:
                    best = cost, cut, label
        assert best is not None
        _, curve, label = best
        self.paths.append(curve)
        self._drawn.append([curve.at(t) for t in STEPS])
        self.labels.append((label, lines))

    def _cut(self, curve: Curve, before: str, after: str) -> Curve:
        """
        Return the part of a curve between the rectangles of its states.
        """
        inside = [t for t in STEPS if self.states[before].holds(curve.at(t))]
        inside = [t for t in inside if t < 0.5]
        outside = [t for t in STEPS if self.states[after].holds(curve.at(t))]
        outside = [t for t in outside if t > 0.5]
        start = self._border(
            curve, self.states[before], max(inside), max(inside) + STEP
        )
        stop = self._border(
            curve, self.states[after], min(outside), min(outside) - STEP
        )
        return curve.between(start, stop)

    def _border(self, curve: Curve, box: Box, inside: float, outside: float) -> float:
        """
        Find where a curve crosses the border of a rectangle.
        """
        for _ in range(12):
            middle = (inside + outside) / 2
            if box.holds(curve.at(middle)):
                inside = middle
            else:
                outside = middle
        return outside

    def _disturbance(self, curve: Curve, before: str, after: str) -> float:
        """
        Add up the overlaps of a curve with everything drawn so far.
        """
        cost = 0.0
        points = [curve.at(t) for t in STEPS]
        for name, box in self.states.items():
            if name not in (before, after):
                cost += 60 * any(map(box.widened(8).holds, points))
        for other, _ in self.labels:
            cost += 15 * any(map(other.holds, points))
        for drawn in self._drawn:
            near = filter(extent(drawn).widened(9).holds, points)
            cost += 1.2 * sum(
                any(abs(a.x - b.x) < 9 and abs(a.y - b.y) < 9 for b in drawn)
                for a in near
            )
        return cost

    def _covered(self, label: Box) -> float:
        """
        Add up the overlaps of a label with everything drawn so far.
        """
        cost = 80.0 * sum(map(label.overlaps, self.states.values()))
        cost += 70 * sum(label.overlaps(other) for other, _ in self.labels)
        return cost + 12 * sum(any(map(label.holds, drawn)) for drawn in self._drawn)

    def svg(self) -> str:
        """
        Return the picture.
        """
        boxes = [*self.states.values(), *(box for box, _ in self.labels)]
        points = [path.at(t) for path in self.paths for t in STEPS]
        left = min([box.left for box in boxes] + [at.x for at in points]) - MARGIN
        top = min([box.top for box in boxes] + [at.y for at in points]) - MARGIN
        right = max([box.right for box in boxes] + [at.x for at in points]) + MARGIN
        bottom = max([box.bottom for box in boxes] + [at.y for at in points]) + MARGIN
        shape = f"{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}"
        start = next(iter(self.states))
        title = escape(self.diagram.title)
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{shape}"'
            f' width="{right - left:.0f}" font-family="sans-serif" font-size="13"'
            ' role="img" aria-labelledby="title">',
            "<!-- Made by make diagrams from the table"
            f" twisted_libp2p.{self.diagram.table}. -->",
            f'<title id="title">{title}</title>',
            STYLE.rstrip(),
        ]
        for begin, control, end in self.paths:
            lines.append(
                f'<path class="move" d="M{begin.x:.1f} {begin.y:.1f}Q{control.x:.1f}'
                f' {control.y:.1f} {end.x:.1f} {end.y:.1f}"/>'
            )
        for name, box in self.states.items():
            kind = "start" if name == start else "state"
            x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
            lines.append(
                f'<rect class="{kind}" x="{box.left:.1f}" y="{box.top:.1f}"'
                f' width="{WIDTH}" height="{HEIGHT}" rx="6"/><text x="{x:.1f}"'
                f' y="{y + 5:.1f}" text-anchor="middle">{escape(name)}</text>'
            )
        for box, texts in self.labels:
            x = (box.left + box.right) / 2
            lines.append(
                f'<rect class="blank" x="{box.left:.1f}" y="{box.top:.1f}"'
                f' width="{box.right - box.left:.1f}"'
                f' height="{box.bottom - box.top:.1f}"/>'
            )
            for number, text in enumerate(texts):
                lines.append(
                    f'<text class="label" x="{x:.1f}"'
                    f' y="{box.top + 12 + number * LINE:.1f}"'
                    f' text-anchor="middle">{escape(text)}</text>'
                )
        return "\n".join([*lines, "</svg>"]) + "\n"


DIAGRAMS = (
    Diagram(
        "node",
        "The life of a node: stopped, starting, running, draining, stopping,"
        " restarting",
        "node.life.LIFE",
        {
            "stopped": (0, 0),
            "starting": (1.6, 0),
            "running": (3.2, 0),
            "stopping": (0.8, 2.3),
            "draining": (3.2, 1.2),
            "restarting": (2.6, 2.3),
        },
    ),
    Diagram(
        "worker",
        "The life of a worker: starting, serving, silent, leaving, killed, gone",
        "workers.life.LIFE",
        {
            "starting": (0, 0),
            "serving": (2, 0),
            "silent": (4, 0),
            "leaving": (0.8, 1.4),
            "killed": (4, 1.4),
            "gone": (2.4, 2.6),
        },
    ),
    Diagram(
        "sending",
        "Our half of a stream: open, draining, sent, ended, losing, lost",
        "muxer.state.SENDING",
        {
            "open": (0, 0),
            "draining": (1.5, 0),
            "sent": (3, 0),
            "ended": (3, 1.3),
            "losing": (1.5, 1.3),
            "lost": (0, 1.3),
        },
    ),
    Diagram(
        "receiving",
        "The peer's half of a stream: open, leaving, discarding, unread, kept, ended,"
        " discarded",
        "muxer.state.RECEIVING",
        {
            "open": (0, 0.7),
            "leaving": (1.5, 0),
            "discarding": (3.1, 0.7),
            "unread": (1.5, 1.6),
            "kept": (3.1, 2.3),
            "ended": (3.1, 1.6),
            "discarded": (4.6, 0.7),
        },
    ),
    Diagram(
        "session",
        "The session of a muxer: new, running, closing, gone",
        "muxer.phase.PHASES",
        {"new": (0, 0), "running": (2, 0), "closing": (2, 1.3), "gone": (0, 1.3)},
    ),
    Diagram(
        "quic",
        "A connection of QUIC: handshake, running, leaving, closing, lost",
        "quic.life.LIFE",
        {
            "handshake": (0, 0),
            "running": (1.9, 0),
            "leaving": (3.8, 0),
            "closing": (1.9, 1.3),
            "lost": (1.9, 2.6),
        },
    ),
    Diagram(
        "webtransport",
        "A WebTransport session: http, session, noise, ready, ended",
        "quic.webtransport.steps.STEPS",
        {
            "http": (0, 0),
            "session": (1.9, 0),
            "noise": (3.8, 0),
            "ready": (3.8, 1.3),
            "ended": (1.9, 2.6),
        },
    ),
    Diagram(
        "webrtc",
        "One half of a stream of WebRTC: open, ending, ended, reset",
        "webrtc.channel.HALVES",
        {
            "open": (0, 0),
            "ending": (2.6, 0),
            "ended": (2.6, 1.6),
            "reset": (0, 1.6),
        },
    ),
    Diagram(
        "aioquic",
        "A connection of aioquic: handshake, connected, confirmed, closing, lost,"
        " forgotten",
        "quic.aioquic.phase.PHASES",
        {
            "handshake": (0, 0),
            "connected": (2.2, 0),
            "confirmed": (4.4, 0),
            "closing": (2.2, 1.4),
            "lost": (4.4, 2.8),
            "forgotten": (0, 2.8),
        },
    ),
    Diagram(
        "reading",
        "The peer's half of a stream of aioquic: quiet, reported, stopped, over",
        "quic.aioquic.halves.READING",
        {
            "quiet": (0, 0),
            "reported": (2.2, 0),
            "stopped": (0, 1.4),
            "over": (2.2, 1.4),
        },
    ),
    Diagram(
        "writing",
        "Our half of a stream of aioquic: open, ended, unwanted",
        "quic.aioquic.halves.WRITING",
        {"open": (0, 0), "ended": (1.9, 0), "unwanted": (1.9, 1.3)},
    ),
    Diagram(
        "secure",
        "A secure transport: new, shaking, open, shut, closing, hanging up, aborted,"
        " lost",
        "security.life.LIFE",
        {
            "new": (0, 0),
            "shaking": (1.7, 0),
            "open": (3.4, 0),
            "shut": (5.1, 0),
            "closing": (3.4, 1.3),
            "hanging up": (5.1, 2.5),
            "aborted": (1.7, 2.5),
            "lost": (3.4, 3.8),
        },
    ),
    Diagram(
        "memory",
        "An end of a connection in memory: open, closing, cut, aborted, lost, closed",
        "transport.memory.life.LIFE",
        {
            "open": (0, 0),
            "closing": (2.4, 0),
            "cut": (0, 1.4),
            "aborted": (2.4, 1.4),
            "lost": (0, 2.8),
            "closed": (2.4, 2.8),
        },
    ),
    Diagram(
        "noise",
        "A handshake of Noise: new, awaits first, awaits second, awaits third, secured,"
        " failed",
        "security.noise.handshake.NOISE",
        {
            "new": (0, 0),
            "awaits second": (2.2, -0.9),
            "awaits first": (1.1, 0.9),
            "awaits third": (2.9, 0.9),
            "secured": (4.6, 0),
            "failed": (2.2, 0),
        },
    ),
    Diagram(
        "tls",
        "A handshake of TLS: new, awaits hello, negotiating, secured, failed",
        "security.tls.handshake.TLS",
        {
            "new": (0, 0),
            "awaits hello": (1.5, 1),
            "negotiating": (2.2, 0),
            "secured": (4, 0),
            "failed": (3.4, 1),
        },
    ),
    Diagram(
        "ends",
        "The directions of a channel of TLS: open, ended, closed, done, failed, broken",
        "security.tls.channel.ENDS",
        {
            "open": (0, 0),
            "ended": (1.3, -0.8),
            "closed": (1.3, 0.8),
            "done": (2.6, 0),
            "failed": (0, 1.6),
            "broken": (2.6, -1.6),
        },
    ),
    Diagram(
        "secio",
        "A handshake of SECIO: new, awaits proposal, awaits exchange, awaits nonce,"
        " secured, failed",
        "security.secio.handshake.SECIO",
        {
            "new": (0, 0),
            "awaits proposal": (1.2, 0),
            "awaits exchange": (2.9, 0),
            "awaits nonce": (4.6, 0),
            "secured": (5.9, 0),
            "failed": (2.9, 1.1),
        },
    ),
    Diagram(
        "plaintext",
        "The exchange of plaintext: new, awaits exchange, secured, failed",
        "security.plaintext.PLAINTEXT",
        {
            "new": (0, 0),
            "awaits exchange": (1.5, 0),
            "secured": (3.4, 0),
            "failed": (3.4, 0.9),
        },
    ),
)


def main() -> None:
    """
    Write all pictures.
    """
    FOLDER.mkdir(exist_ok=True)
    for diagram in DIAGRAMS:
        path = FOLDER / f"{diagram.name}.svg"
        path.write_text(Drawing(diagram).svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
