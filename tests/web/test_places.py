# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.places}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vector
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.web.places import WebPlace

ID = vector("key.test_identity_01")["peer_id"]
PEER = PeerID.fromText(ID)
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class WebPlaceTests(SynchronousTestCase):
    """
    URIs.
    """

    def test_parse(self) -> None:
        """
        Both schemes name a peer and a path.
        """
        for uri, path, address in (
            (f"libp2p://{ID}", "/", None),
            (f"LIBP2P://{ID}/a/b%20c?d=e#f", "/a/b%20c?d=e", None),
            (f"libp2p://{ID}?d", "/?d", None),
            (f"multiaddr:{ADDRESS}/p2p/{ID}", "/", ADDRESS),
            (f"multiaddr:/p2p/{ID}/http-path/a%2Fb%3Fc", "/a/b%3Fc", None),
            (
                f"multiaddr:{ADDRESS}/p2p/{ID}/http-path/%2Fa%20?b=c",
                "/a%20?b=c",
                ADDRESS,
            ),
        ):
            self.assertEqual(WebPlace.parse(uri), WebPlace(PEER, path, address))

    def test_wrong(self) -> None:
        """
        Another text is refused, with an example.
        """
        for uri in (
            "",
            "http://localhost/",
            "libp2p:" + ID,
            "libp2p://nobody/",
            "libp2p:///a",
            f"multiaddr:{ADDRESS}",
            "multiaddr:/nothing",
            f"libp2p://{ID}/a b",
            f"libp2p://{ID}/a\r\nHost:b",
            f"libp2p://{ID}/\xe9",
        ):
            error = self.assertRaises(InvalidInput, WebPlace.parse, uri)
            self.assertNotIn("\n", str(error))

    def test_resolve(self) -> None:
        """
        A redirect is relative to the place, or absolute.
        """
        place = WebPlace(PEER, "/a/b?c")
        for location, uri in (
            ("/d", f"libp2p://{ID}/d"),
            ("d?e", f"libp2p://{ID}/a/d?e"),
            ("../../d", f"libp2p://{ID}/d"),
            ("https://example.com/", "https://example.com/"),
            ("//example.com/", "//example.com/"),
            ("\x01//[", "\x01//["),
            ("/\t/[", "/\t/["),
        ):
            self.assertEqual(place.resolve(location), uri)
