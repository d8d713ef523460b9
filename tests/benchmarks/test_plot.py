# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.plot} and L{benchmarks.publish}.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import publish, rows
from benchmarks.plot import svg
from benchmarks.rows import Row

NAMESPACE = "{http://www.w3.org/2000/svg}"


class PlotTests(SynchronousTestCase):
    """
    Tests for L{svg}.
    """

    measured = (
        Row.of("upload", "noise+yamux", "ours", "MiB/s", [600.0, 500.0, 700.0]),
        Row.of("upload", "noise+yamux", "py", "MiB/s", [150.0]),
        Row.of("upload: dialer", "noise+yamux", "ours", "CPU s/GiB", [1.0]),
        Row.of("ping p50", "tls+yamux", "ours", "us", [80.0]),
    )

    def test_bars(self) -> None:
        """
        Each figure that is shown is a bar, as long as it is large.
        """
        bars = ElementTree.fromstring(svg(self.measured)).findall(f"{NAMESPACE}rect")
        ours, py, _ping = (float(bar.attrib["width"]) for bar in bars)
        self.assertAlmostEqual(ours / py, 4.0, places=1)

    def test_titles(self) -> None:
        """
        The stacks, the works, the peers and the medians are told.
        """
        texts = [
            element.text
            for element in ElementTree.fromstring(svg(self.measured)).iter(
                f"{NAMESPACE}text"
            )
        ]
        self.assertEqual(
            texts,
            [
                *("noise+yamux", "tls+yamux"),
                *("upload, MiB/s (more is better)", "ours", "600", "py", "150"),
                *("ping p50, us (less is better)", "ours", "80.0"),
            ],
        )

    def test_publish(self) -> None:
        """
        The manual gets the table and the picture of the figures that were kept.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        rows.save(self.measured, folder / "run.json")
        publish.main(folder)
        self.assertIn("[500-700]", (folder / "figures.inc").read_text())
        self.assertEqual((folder / "plot.svg").read_text(), svg(self.measured))
