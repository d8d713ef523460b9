# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What came of the matrix, and the table in the documentation that tells it.

The table is the same for the same results: it has no dates and no figures.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.interop.matrix import (
    BACKENDS,
    CELLS,
    KEYS,
    PEERS,
    STACKS,
    TASKS,
    WAYS,
    Cell,
    Key,
    Note,
    note,
)

__all__ = ["BAD", "GOOD", "TABLE", "Results", "versions"]

SOURCES = Path(__file__).resolve().parent / "peers"

#: The page that is written.
TABLE = SOURCES.parents[2] / "docs" / "interop-table.inc"

GOOD, BAD, NONE = "✓", "✗", "n/a"


def versions() -> dict[str, list[tuple[str, str]]]:
    """
    Read what the peers are made of from the files that lock it.

    @return: for each peer, packages and their versions.
    """
    cargo = tomllib.loads((SOURCES / "rust" / "Cargo.lock").read_text())["package"]
    locked = json.loads((SOURCES / "js" / "package-lock.json").read_text())["packages"]
    go = (SOURCES / "go" / "go.mod").read_text()
    py = (SOURCES / "py" / "requirements.txt").read_text()

    def found(pattern: str, text: str) -> str:
        match = re.search(pattern, text, re.MULTILINE)
        assert match is not None, pattern
        return match[1]

    crates = {each["name"]: each["version"] for each in cargo}
    return {
        "go": [
            ("go-libp2p", found(r"github\.com/libp2p/go-libp2p v(\S+)", go)),
            ("quic-go", found(r"github\.com/quic-go/quic-go v(\S+)", go)),
            ("go-yamux", found(r"github\.com/libp2p/go-yamux/v\d+ v(\S+)", go)),
            (
                "go-libp2p-mplex",
                found(r"github\.com/libp2p/go-libp2p-mplex v(\S+)", go),
            ),
        ],
        "rust": [
            (name, crates[name])
            for name in ("libp2p", "libp2p-quic", "libp2p-yamux", "libp2p-mplex")
        ],
        "js": [
            (name, locked[f"node_modules/{name}"]["version"])
            for name in (
                "libp2p",
                "@chainsafe/libp2p-quic",
                "@libp2p/yamux",
                "@libp2p/mplex",
            )
        ],
        "py": [
            (name, found(rf"^{name}==(\S+)$", py)) for name in ("libp2p", "aioquic")
        ],
    }


class Results:
    """
    Which tasks went well, on which connections, and which keys.
    """

    def __init__(self) -> None:
        self._tasks: dict[tuple[Cell, str], bool] = {}
        self._keys: dict[Key, bool] = {}

    def task(self, cell: Cell, task: str, good: bool) -> None:
        """
        Note what came of a task.  If its test is run again, the last run counts.
        """
        self._tasks[cell, task] = good

    def key(self, key: Key, good: bool) -> None:
        """
        Note what came of a key, likewise.
        """
        self._keys[key] = good

    def missing(self) -> list[str]:
        """
        @return: the peers of which the table could not tell everything.
        """
        wanted = {(cell, task) for cell in STACKS for task in TASKS}
        keys = {key for key in KEYS if key.impossible is None}
        missing = {cell.peer for cell, _ in wanted - set(self._tasks)}
        missing |= {key.peer for key in keys - set(self._keys)}
        return [peer for peer in PEERS if peer in missing]

    def render(self) -> str:
        """
        @return: the page: versions, a table for each peer, the keys, the notes.
        """
        return "\n".join(self._page()) + "\n"

    def _page(self) -> Iterator[str]:
        yield ".. Written by make interop; what is changed here is lost."
        yield ""
        yield from _table(
            ["peer", "packages"],
            (
                [peer, ", ".join(" ".join(package) for package in packages)]
                for peer, packages in versions().items()
            ),
        )
        notes: dict[Note, None] = {}
        for peer in PEERS:
            yield from ["", peer, "~" * len(peer), ""]
            yield from _table(
                ["connection", *TASKS.values()],
                (self._row(cell, notes) for cell in CELLS if cell.peer == peer),
            )
        yield from ["", "Keys", "~~~~", ""]
        sides = [(peer, side) for peer in PEERS for side in ("our", "their")]
        yield from _table(
            ["key", *(f"{peer}, {side} side" for peer, side in sides)],
            (
                [
                    f"{kind.name.lower()}, {'quic ' * (way in BACKENDS)}{way}",
                    *(
                        self._keyMark(Key(peer, side, kind, way), notes)
                        for peer, side in sides
                    ),
                ]
                for kind in dict.fromkeys(key.kind for key in KEYS)
                for way in WAYS
            ),
        )
        yield ""
        for each in notes:
            yield f".. [#{each.name}] {each.text} ({each.source})."

    def _row(self, cell: Cell, notes: dict[Note, None]) -> list[str]:
        name = ", ".join(cell.facts)
        if cell.impossible is not None:
            notes[cell.impossible] = None
            return [f"{name} [#{cell.impossible.name}]_", *[NONE] * len(TASKS)]
        return [name, *(self._mark(cell, task, notes) for task in TASKS)]

    def _mark(self, cell: Cell, task: str, notes: dict[Note, None]) -> str:
        mark = GOOD if self._tasks[cell, task] else BAD
        gap = cell.gap(task)
        explained = gap or note(cell, task)
        if gap is not None and mark == GOOD:
            mark = NONE
        if explained is None:
            return mark
        notes[explained] = None
        return f"{mark} [#{explained.name}]_"

    def _keyMark(self, key: Key, notes: dict[Note, None]) -> str:
        if key.impossible is not None:
            notes[key.impossible] = None
            return f"{NONE} [#{key.impossible.name}]_"
        return GOOD if self._keys[key] else BAD


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield ".. csv-table::"
    yield f"   :header: {_line(head)}"
    yield ""
    for row in rows:
        yield f"   {_line(row)}"


def _line(cells: Iterable[str]) -> str:
    return ", ".join(f'"{cell}"' for cell in cells)
