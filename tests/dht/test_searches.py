# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.searches}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.messages import Message, MessageType, NamedPeer
from twisted_libp2p.dht.searches import PeerSearch
from twisted_libp2p.identity import Identity

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


class PeerSearchTests(SynchronousTestCase):
    """
    The search for one peer.
    """

    def test_liar(self) -> None:
        """
        A peer counts once, however often it names the wanted one, in one answer or in
        several.
        """
        target, *servers = (Identity.generate().peerID for _ in range(4))
        named = NamedPeer(target, (ADDRESS,))
        answer = Message(MessageType.FIND_NODE, b"key", closer=(named,) * 3)
        search = PeerSearch(target, lambda peer, named: list(named))
        first, second, third = servers
        lookup: Any = None
        for each in (first, first, second):
            self.assertFalse(search.answered(lookup, each, answer))
        self.assertTrue(search.answered(lookup, third, answer))
        self.assertEqual(list(search.addresses), [ADDRESS])
