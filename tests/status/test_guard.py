# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.guard}, on the status page.
"""

from __future__ import annotations

from tests.status.paging import PageTestCase


class GuardTests(PageTestCase):
    """
    Requests of other sites get nothing.
    """

    def test_method(self) -> None:
        """
        Nothing can be changed, so there is only C{GET}.
        """
        for path in ("/", "/snapshot", "/events"):
            for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS"):
                code, headers, _ = self.browse().ask(path, method=method)
                self.assertEqual((code, headers["Allow"]), (405, "GET"))

    def test_host(self) -> None:
        """
        A name that DNS may lead here from elsewhere gets nothing; loopback
        does, and the address to which the connection was made.
        """
        for path in ("/", "/snapshot", "/events"):
            for host in (
                "evil.example", "evil.example:8080", "localhost.evil.example",
                "127.0.0.1.evil.example", "192.0.2.7", "", "[::2]:8080", ":8080", None,
                "localhost:8080:80", "0.0.0.0",
            ):  # fmt: skip
                code, _, body = self.browse().ask(path, host)
                self.assertNotEqual(code, 200, host)
                self.assertNotIn(str(self.node.peerID), body)
        for host in ("localhost:8080", "LOCALHOST", "127.0.0.1:8080", "[::1]:8080"):
            self.assertEqual(self.browse().ask("/snapshot", host)[0], 200)
        there = self.browse(host="192.0.2.7")
        self.assertEqual(there.ask("/snapshot", "192.0.2.7:8080")[0], 200)
        self.assertEqual(there.ask("/snapshot", "192.0.2.8:8080")[0], 403)

    def test_otherOrigins(self) -> None:
        """
        Pages of other origins get nothing, and take no place in the feed; a
        link of theirs works.
        """
        for site in ("cross-site", "same-site"):
            for path in ("/snapshot", "/events"):
                code, _, _ = self.browse().ask(path, Sec_Fetch_Site=site)
                self.assertEqual(code, 403)
            self.assertEqual(self.browse().ask("/", Sec_Fetch_Site=site)[0], 200)
        code, _, _ = self.browse().ask("/events", Sec_Fetch_Site="same-origin")
        self.assertEqual(code, 200)
