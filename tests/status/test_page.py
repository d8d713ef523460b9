# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.page}.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256

from tests.status.paging import PageTestCase


class ResourceTests(PageTestCase):
    """
    What there is on the site, and for whom.
    """

    def test_page(self) -> None:
        """
        The page brings all that it needs, and may do nothing else.
        """
        code, headers, body = self.browse().ask("/")
        self.assertEqual(code, 200)
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        self.assertTrue(policy.startswith("default-src 'none'; "))
        self.assertNotIn("unsafe", policy)
        for kind in ("script", "style"):
            (inline,) = re.findall(f"<{kind}>(.*?)</{kind}>", body, re.DOTALL)
            digest = b64encode(sha256(inline.encode()).digest()).decode()
            self.assertIn(f"{kind}-src 'sha256-{digest}'", policy)
        self.assertEqual(re.findall(r"(?:src|action)=\S+", body), [])
        self.assertEqual(re.findall(r'href="(.*?)"', body), ["data:,", "snapshot"])
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_snapshot(self) -> None:
        """
        The same is to be had as JSON, with what has happened.
        """
        client = self.nodes.start()
        self.nodes.connect(client, self.node)
        code, headers, body = self.browse().ask("/snapshot")
        told = json.loads(body)
        self.assertEqual(code, 200)
        self.assertEqual(headers["Content-Type"], "application/json; charset=utf-8")
        self.assertEqual(told["peer"], str(self.node.peerID))
        self.assertEqual(told["connections"]["count"], 1)
        self.assertEqual(told["events"][0]["kind"], "connected")

    def test_missing(self) -> None:
        """
        There is nothing else.
        """
        for path in ("/x", "/snapshot.json", "/..%2f", "/metrics"):
            self.assertEqual(self.browse().ask(path)[0], 404)
