# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the look of the API reference.
"""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.needs import skipWithout

ROOT = Path(__file__).parents[1]


class DarkTests(SynchronousTestCase):
    """
    The pages follow the system into the dark, in the colours of the manual.
    """

    def setUp(self) -> None:
        for each in ("pydoctor", "furo"):
            if find_spec(each) is None:
                skipWithout("docs", f"{each} is missing: pip install '.[dev]'")

    def build(self) -> Path:
        """
        Build the pages of a small package.

        @return: their folder.
        """
        settings = ConfigParser()
        settings.read(ROOT / "setup.cfg")
        templates = ROOT / settings["tool:pydoctor"]["template-dir"]
        work = Path(self.mktemp())
        package = work / "small"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('"""\nA package.\n"""\n')
        command = [sys.executable, "-m", "pydoctor", "--quiet"]
        command += [f"--template-dir={templates}", "--html-output=html", "small"]
        subprocess.run(command, cwd=work, check=True, capture_output=True)
        return work / "html"

    def test_built(self) -> None:
        """
        A page loads the dark form after pydoctor's own style, which it overrides.
        """
        pages = self.build()
        styles = re.findall(r'href="(\w+\.css)"', (pages / "index.html").read_text())
        self.assertEqual(styles[-2:], ["apidocs.css", "extra.css"])
        style = (pages / "extra.css").read_text()
        self.assertIn("(prefers-color-scheme: dark)", style)

    def test_colours(self) -> None:
        """
        Each named colour is one of those that the manual has in the dark.
        """
        spec = find_spec("furo")
        assert spec is not None
        assert spec.origin is not None
        theme = Path(spec.origin).parent / "theme/furo/static/styles/furo.css"
        [manual] = re.findall(
            r"@media\(prefers-color-scheme:dark\)\{body:not\(\[data-theme=light\]\)"
            r"\{(--color-problematic:.+?)\}",
            theme.read_text(),
        )
        style = (ROOT / "docs/reference/extra.css").read_text()
        colours = re.findall(r"--[a-z]+: (#\w+);", style)
        self.assertNotEqual(colours, [])
        lacking = set(colours) - set(re.findall(r"#\w+", manual))
        self.assertEqual(lacking, set())
