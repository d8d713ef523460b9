# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Draw the messages between two peers, step by step.

C{python docs/make_sequences.py} writes one SVG for each sequence into
C{docs/sequences}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "sequences"

#: Pixels: the whole width, the places of the two peers, the height of a step.
WIDTH, LEFT, RIGHT, STEP = 760, 110, 650, 46

STYLE = """\
<defs>
<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" \
markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker>
</defs>
<style>
.peer{fill:#eef;stroke:#558;stroke-width:1.5}
.life{stroke:#aaa;stroke-dasharray:4 4}
.sent{stroke:#555;stroke-width:1.3;marker-end:url(#tip)}
.event{fill:#eaf2e3;stroke:#4a7c2c}
.label{font-size:12px;fill:#333}
</style>
"""

#: The marks of a step: a message in one of the directions, or an event at a peer.
MARKS = (">", "<", "dialer", "listener")


@dataclass(frozen=True)
class Sequence:
    """
    One picture.

    @ivar name: the name of the file, without its ending.
    @ivar title: one line for readers who do not see the picture.
    @ivar steps: the mark and the text of each step.
    """

    name: str
    title: str
    steps: tuple[tuple[str, str], ...]


SEQUENCES = (
    Sequence(
        "ready",
        "From the dial to a stream: TCP, multistream-select with Noise, yamux",
        (
            (">", "TCP: connect"),
            ("<", "accepted"),
            (">", "/multistream/1.0.0, /noise, first message of Noise"),
            ("<", "/multistream/1.0.0, /noise, second message: key, proof, muxers"),
            (">", "third message: key, proof, muxers"),
            ("dialer", "ready: OpenedConn, dial fires"),
            ("listener", "ready: OpenedConn"),
            (">", "yamux: new stream, /multistream/1.0.0, /echo/1.0.0, first data"),
            ("<", "the same confirmed, first answer of the application"),
        ),
    ),
    Sequence(
        "stream",
        "The life of a stream: opened, both directions closed one by one",
        (
            ("dialer", "openStream for one protocol: connectionMade"),
            (">", "new stream, /multistream/1.0.0, /echo/1.0.0, first data"),
            ("listener", "connectionMade, dataReceived"),
            ("<", "/multistream/1.0.0, /echo/1.0.0"),
            ("dialer", "agreed: the Deferred of openStream fires"),
            (">", "data, as much as the window of the reader has room for"),
            ("<", "more window, when the reader has taken the data"),
            (">", "the end of the data: loseWriteConnection"),
            ("listener", "readConnectionLost, for a protocol with half-close"),
            ("<", "the end of the data: loseConnection"),
            ("dialer", "connectionLost: ConnectionDone"),
            ("listener", "connectionLost: ConnectionDone"),
        ),
    ),
)


def svg(sequence: Sequence) -> str:
    """
    Draw a sequence.
    """
    return "".join(_parts(sequence))


def _parts(sequence: Sequence) -> Iterator[str]:
    height = 60 + STEP * len(sequence.steps)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" font-family="sans-serif" font-size="13" role="img"'
        ' aria-labelledby="title">\n'
        "<!-- Made by make diagrams from docs/make_sequences.py. -->\n"
        f'<title id="title">{escape(sequence.title)}</title>\n{STYLE}'
    )
    for x, peer in ((LEFT, "dialer"), (RIGHT, "listener")):
        yield f'<path class="life" d="M{x} 40V{height - 10}"/>\n'
        yield f'<rect class="peer" x="{x - 50}" y="8" width="100" height="30" rx="6"/>'
        yield f'<text x="{x}" y="28" text-anchor="middle">{peer}</text>\n'
    for number, (mark, text) in enumerate(sequence.steps):
        yield from _step(mark, escape(text), 75 + STEP * number)
    yield "</svg>\n"


def _step(mark: str, text: str, y: int) -> Iterator[str]:
    middle = (LEFT + RIGHT) // 2
    if mark in (">", "<"):
        start, end = (LEFT, RIGHT) if mark == ">" else (RIGHT, LEFT)
        yield f'<path class="sent" d="M{start} {y}H{end}"/>'
        yield (
            f'<text class="label" x="{middle}" y="{y - 6}"'
            f' text-anchor="middle">{text}</text>\n'
        )
        return
    width = max(130, 6 * len(text) + 20)
    x = LEFT - 100 if mark == "dialer" else RIGHT + 100 - width
    yield (
        f'<rect class="event" x="{x}" y="{y - 20}" width="{width}" height="28" rx="5"/>'
        f'<text class="label" x="{x + 10}" y="{y - 2}">{text}</text>\n'
    )


def main() -> None:
    """
    Write all pictures.
    """
    FOLDER.mkdir(exist_ok=True)
    for sequence in SEQUENCES:
        path = FOLDER / f"{sequence.name}.svg"
        path.write_text(svg(sequence), encoding="utf-8")


if __name__ == "__main__":
    main()
