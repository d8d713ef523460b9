# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.door.places}.
"""

from __future__ import annotations

from base64 import b32encode

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vector
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.tunnel.door.places import Place, Places, parsePort
from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted

PEER = PeerID.fromText(vector("key.test_identity_01")["peer_id"])
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class PlacesTests(SynchronousTestCase):
    """
    Hosts and ports.
    """

    def setUp(self) -> None:
        """
        Know one peer.
        """
        names = {"home": (PEER, (ADDRESS,)), str(PEER): (PEER, (ADDRESS,))}
        self.places = Places(names.get)

    def test_found(self) -> None:
        """
        A peer has its name, and its id in any form, in a name of a host.
        """
        cid = b"\x01\x72" + PEER.toBytes()
        base32 = "b" + b32encode(cid).decode().rstrip("=").lower()
        place = Place(PEER, "/http/1.1", (ADDRESS,))
        for host in ("home.p2p", "HOME.P2P.", str(PEER), f"{PEER}.p2p", base32):
            self.assertEqual(self.places.find(Wanted(host, 80)), place)
        other = PeerID.fromText(vector("key.test_identity_02")["peer_id"])
        self.assertEqual(
            self.places.find(Wanted(f"{other}.p2p", 22)), Place(other, "/ssh/1.0.0")
        )

    def test_refused(self) -> None:
        """
        Everything else is refused with a reason.
        """
        for wanted, word in (
            (("example.com", 80), "'example.com' is not a peer"),
            (("home", 80), "'home' is not a peer"),
            (("www.home.p2p", 80), "no paired peer is called 'www.home'"),
            (("", 80), "is not a peer"),
            ((".p2p", 80), "no paired peer is called ''"),
            ((str(PEER).lower(), 80), "base36"),
            (("home.p2p", 443), "--socks-port 443=PROTOCOL adds one"),
        ):
            error = self.assertRaises(Refused, self.places.find, Wanted(*wanted))
            self.assertIs(error.kind, Refusal.FORBIDDEN)
            self.assertIn(word, str(error))

    def test_ports(self) -> None:
        """
        The user gives ports to further protocols.
        """
        self.assertEqual(parsePort("81=/a/1.0.0"), (81, "/a/1.0.0"))
        for text in ("81", "0=/a", "65536=/a", "x=/a", "\u0661=/a", "81=", "=/a"):
            error = self.assertRaises(ConfigurationError, parsePort, text)
            self.assertIn(f"--socks-port {text}: ", str(error))
