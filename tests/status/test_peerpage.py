# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.peerpage}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.status.browsing import Browsing
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.status import servePeerPage
from twisted_libp2p.testing import MemoryNodes


class PeerPageTests(SynchronousTestCase):
    """
    The page of a node in memory.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        (self.folder / "inside").mkdir(parents=True)
        (self.folder / "index.html").write_text("<h1>A page</h1>")
        (self.folder / "page.js").write_text("dial()")
        (self.folder / "inside" / "secret").write_text("secret")
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.memory: Any = MemoryReactorClock()
        self.service = servePeerPage(
            self.memory, self.node, "tcp:8080", str(self.folder)
        )

    def ask(self, path: str, **headers: Any) -> tuple[int, dict[str, str], str]:
        """
        Make a request.
        """
        return Browsing(self.memory).ask(path, **headers)

    def test_files(self) -> None:
        """
        The files of the folder are served with types that browsers follow, and a link
        of another site may lead to them.
        """
        for path, kind, body in (
            ("/", "text/html; charset=utf-8", "<h1>A page</h1>"),
            ("/page.js", "text/javascript", "dial()"),
        ):
            code, headers, content = self.ask(path, sec_fetch_site="cross-site")
            self.assertEqual((code, content), (200, body))
            self.assertEqual(headers["Content-Type"], kind)

    def test_others(self) -> None:
        """
        Nothing else is served.
        """
        for path in ("/inside", "/inside/secret", "/../peer.mjs", "/%2e%2e/x", "/a"):
            self.assertEqual(self.ask(path)[0], 404)

    def test_gone(self) -> None:
        """
        A file that is gone, as while the page is built anew, is not found.
        """
        (self.folder / "page.js").unlink()
        code, _, body = self.ask("/page.js")
        self.assertEqual(code, 404)
        self.assertIn("build the page again", body)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_addresses(self) -> None:
        """
        The page reads the present addresses of the node; pages of others do not.
        """
        code, headers, body = self.ask("/addresses.json")
        self.assertEqual((code, headers["Cache-Control"]), (200, "no-store"))
        self.assertEqual(json.loads(body), [str(each) for each in self.node.addresses])
        self.assertEqual(self.ask("/addresses.json", host="evil.example")[0], 403)
        code, _, _ = self.ask("/addresses.json", sec_fetch_site="cross-site")
        self.assertEqual(code, 403)

    def test_missing(self) -> None:
        """
        If the page is not built, that is one line.
        """
        with self.assertRaisesRegex(ConfigurationError, "no index.html in .*npm run"):
            servePeerPage(self.memory, self.node, "tcp:8080", "elsewhere")
