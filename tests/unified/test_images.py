# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the recipes of the suite's images, as far as that goes without
building them.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.unified.__main__ import APPLICATIONS

ROOT = Path(__file__).parents[2]


class ImageTests(SynchronousTestCase):
    """
    C{transport.Dockerfile} and C{perf.Dockerfile}.
    """

    def setUp(self) -> None:
        """
        Read them.
        """
        folder = ROOT / "tests" / "unified"
        self.recipes = {
            name: (folder / f"{name}.Dockerfile").read_text() for name in APPLICATIONS
        }

    def test_alike(self) -> None:
        """
        They differ in the name of the application, and in nothing else.
        """
        alike = {text.replace(name, "NAME") for name, text in self.recipes.items()}
        self.assertEqual(len(alike), 1)

    def test_recipe(self) -> None:
        """
        What they copy is there; the base has an exact version; nothing runs as
        root.
        """
        for text in self.recipes.values():
            for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
                for source in sources.split():
                    self.assertTrue((ROOT / source).exists(), source)
            for base in re.findall(r"^FROM (\S+)", text, re.M):
                self.assertRegex(base, r"^python:3\.\d+\.\d+-slim-\w+$")
            self.assertIn("\nUSER nobody\n", text)
