# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the text of paths.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr
from twisted_libp2p.wire import delimit

PEER = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"

#: Parts of paths that look like something else.
PARTS = ("a", "p2p", "ipfs", PEER, "%2F", "%2f", "%", "ws", "tcp", "1", "", "\u00fc")


class PathTests(SynchronousTestCase):
    """
    Both spellings, and the address that follows.
    """

    def assertParts(self, text: str, path: str, *others: str) -> None:
        """
        Assert that a text begins with a path, and ends with other components.
        """
        address = Multiaddr(text)
        self.assertEqual(address.value("unix"), path)
        self.assertEqual(address.names, ("unix", *others))

    def test_rest(self) -> None:
        """
        As to go-multiaddr, all the rest is the path: also names of protocols.
        """
        for path in ("/a", "/a/b.sock", "/a/tcp/80/ws", "/a//b", "/p2p/" + PEER):
            self.assertParts("/unix" + path, path)
            self.assertEqual(str(Multiaddr("/unix" + path)), "/unix" + path)

    def test_component(self) -> None:
        """
        As to the specification, a path with hidden slashes is one component.
        """
        self.assertParts("/unix/%2Fa%2fb", "/a/b")
        self.assertParts("/unix/a%2Fb", "/a/b")
        self.assertParts(f"/unix/%2Fa%20b/p2p/{PEER}", "/a b", "p2p")
        self.assertParts("/unix/%2Fa/http", "/a", "http")
        self.assertParts(f"/unix/%2Fa%2Fp2p%2F{PEER}", f"/a/p2p/{PEER}")

    def test_peer(self) -> None:
        """
        The id of a peer at the end does not belong to the path.
        """
        for name in ("p2p", "ipfs"):
            self.assertParts(f"/unix/a/b/{name}/{PEER}", "/a/b", "p2p")
        self.assertParts("/unix/a/p2p/nobody", "/a/p2p/nobody")
        self.assertParts(f"/unix/a/p2p/{PEER}/b", f"/a/p2p/{PEER}/b")
        self.assertEqual(
            Multiaddr(f"/unix/a/b/p2p/{PEER}"),
            Multiaddr(f"/unix/%2Fa%2Fb/p2p/{PEER}"),
        )

    def test_written(self) -> None:
        """
        The slashes are hidden only where they would be misread.
        """
        for text, written in (
            ("/unix/%2Fa%2Fb", "/unix/a/b"),
            (f"/unix/a/b/p2p/{PEER}", f"/unix/%2Fa%2Fb/p2p/{PEER}"),
            ("/unix/%2F%252Fa", "/unix/%2F%252Fa"),
            (f"/unix/%2Fa%2Fp2p%2F{PEER}", f"/unix/%2Fa%2Fp2p%2F{PEER}"),
        ):
            self.assertEqual(str(Multiaddr(text)), written)

    def test_wrong(self) -> None:
        """
        Percent signs and characters that mean nothing are refused.
        """
        for text in ("/unix/%2Fa%zz", "/unix/%2F%ff", "/unix/%2F", "/unix/%2Fa%2F"):
            self.assertRaises(InvalidMultiaddr, Multiaddr, text)

    @drawn(
        60,
        st.lists(st.sampled_from(PARTS), min_size=1, max_size=6),
        st.sampled_from(["", "/ws", f"/p2p/{PEER}"]),
    )
    def test_unique(self, parts: list[str], rest: str) -> None:
        """
        Each address has a text that leads back to it.
        """
        path = "".join(f"/{each}" for each in parts)
        if path.endswith("/"):
            path += "a"
        data = path.encode()
        address = Multiaddr.fromBytes(b"\x90\x03" + delimit(data))
        if rest:
            address = address.encapsulate(rest)
        self.assertEqual(Multiaddr(str(address)), address)
