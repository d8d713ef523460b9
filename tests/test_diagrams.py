# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests that the pictures of the state machines are those of the tables in the code.
"""

from __future__ import annotations

import ast
import re
import runpy
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOOL: dict[str, Any] = runpy.run_path(str(DOCS / "make_diagrams.py"))
SVG = "{http://www.w3.org/2000/svg}"


@cache
def pictures() -> dict[str, str]:
    """
    Draw all pictures.

    @return: the pictures by name.
    """
    return {each.name: TOOL["Drawing"](each).svg() for each in TOOL["DIAGRAMS"]}


class Light(Enum):
    """
    The states of a machine for tests.
    """

    OFF = 0
    ON = 1


class DiagramTests(SynchronousTestCase):
    """
    C{make diagrams}.
    """

    def test_current(self) -> None:
        """
        The committed pictures are those that the tables give now.
        """
        committed = {path.name: path.read_text() for path in TOOL["FOLDER"].iterdir()}
        made = {f"{name}.svg": picture for name, picture in pictures().items()}
        self.assertEqual(
            sorted(committed), sorted(made), "make diagrams, and git add or rm"
        )
        for name, text in made.items():
            self.assertEqual(committed[name], text, f"{name}: make diagrams")

    def test_complete(self) -> None:
        """
        Each table of states of the package has a picture.
        """
        drawn = {each.table for each in TOOL["DIAGRAMS"]}
        package = ROOT / "twisted_libp2p"
        tables = set()
        for path in package.rglob("*.py"):
            module = ".".join(path.relative_to(package).with_suffix("").parts)
            for node in ast.parse(path.read_text()).body:
                if (
                    isinstance(node, ast.AnnAssign)
                    and isinstance(node.target, ast.Name)
                    and re.search(
                        r"dict\[tuple\[\w+, \w+\]", ast.unparse(node.annotation)
                    )
                    and node.target.id.isupper()
                    and not node.target.id.startswith("_")
                ):
                    tables.add(f"{module}.{node.target.id}")
        self.assertEqual(tables, drawn)

    def test_states(self) -> None:
        """
        A picture has all states of its table and no others, and all events.
        """
        for each in TOOL["DIAGRAMS"]:
            table = namedAny(f"twisted_libp2p.{each.table}")
            moves = TOOL["movesOf"](table)
            self.assertEqual(
                {state for move in moves for state in move}, set(each.places)
            )
            picture = ElementTree.fromstring(pictures()[each.name])
            texts = " ".join(text.text or "" for text in picture.iter(f"{SVG}text"))
            for _, event in table:
                self.assertIn(TOOL["named"](event), texts)

    def test_shown(self) -> None:
        """
        The page on the architecture shows each picture.
        """
        page = (DOCS / "architecture.rst").read_text()
        shown = re.findall(r"image:: diagrams/(\w+)\.svg", page)
        self.assertEqual(sorted(shown), sorted(each.name for each in TOOL["DIAGRAMS"]))

    def test_moves(self) -> None:
        """
        Events that lead to the same state with the same effect share a line.
        """
        self.assertEqual(
            TOOL["movesOf"](
                {
                    (Light.OFF, "push"): (Light.ON, ("heat", "shine")),
                    (Light.OFF, "pull"): (Light.ON, ("heat", "shine")),
                    (Light.OFF, "kick"): (Light.ON, None),
                    (Light.ON, "push"): Light.OFF,
                }
            ),
            {
                ("off", "on"): ["push · pull / heat, shine", "kick"],
                ("on", "off"): ["push"],
            },
        )
