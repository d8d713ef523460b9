# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests that the pictures of the messages are those that their program draws.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

DOCS = Path(__file__).parents[1] / "docs"
TOOL: dict[str, Any] = runpy.run_path(str(DOCS / "make_sequences.py"))


class SequenceTests(SynchronousTestCase):
    """
    C{make diagrams}.
    """

    def test_current(self) -> None:
        """
        The committed pictures are those that are drawn now.
        """
        committed = {path.stem: path.read_text() for path in TOOL["FOLDER"].iterdir()}
        made = {each.name: TOOL["svg"](each) for each in TOOL["SEQUENCES"]}
        self.assertEqual(committed, made, "make diagrams, and git add or rm")

    def test_drawn(self) -> None:
        """
        Each is XML with all its texts, and the page on the architecture shows it.
        """
        page = (DOCS / "architecture.rst").read_text()
        for each in TOOL["SEQUENCES"]:
            picture = ElementTree.fromstring(TOOL["svg"](each))
            texts = {node.text for node in picture.iter() if node.text}
            for mark, text in each.steps:
                self.assertIn(mark, TOOL["MARKS"])
                self.assertIn(text, texts)
            self.assertIn(f"image:: sequences/{each.name}.svg", page)
