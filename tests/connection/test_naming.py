# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dialing the names of peers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.connection.silence import SilentFactory
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    NoAddresses,
    PeerMismatch,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


class DNSAddrTests(SynchronousTestCase):
    """
    Names that stand for peers.
    """

    def setUp(self) -> None:
        """
        Have a server, and a client with a resolver of its own.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.records: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.server = self.nodes.start()
        self.client = self.nodes.start(resolver=self)

    def lookupText(self, name: str, timeout: Any) -> Deferred[Any]:
        """
        Resolve, as an L{IResolver<twisted.internet.interfaces.IResolver>}.
        """
        self.asked.append(name)
        answers = [
            dns.RRHeader(name, dns.TXT, payload=dns.Record_TXT(each.encode()))
            for each in self.records.get(name.removeprefix("_dnsaddr."), ())
        ]
        return succeed((answers, [], []))

    def test_peer(self) -> None:
        """
        A name with a peer at its end leads to that peer.
        """
        other = Identity.generate().peerID
        self.records["a"] = [
            f"dnsaddr=/memory/404/p2p/{other}",
            f"dnsaddr=/dnsaddr/b/p2p/{self.server.peerID}",
        ]
        self.records["b"] = [f"dnsaddr={self.server.addresses[0]}"]
        target = f"/dnsaddr/a/p2p/{self.server.peerID}"
        connection = self.nodes.result(self.client.connect(target))
        self.assertEqual(connection.remotePeer, self.server.peerID)
        self.assertEqual(self.asked, ["_dnsaddr.a", "_dnsaddr.b"])

    def test_anybody(self) -> None:
        """
        A name alone leads to one of its peers, and none but these.
        """
        live = self.server.addresses[0]
        impostor = live.withPeer(Identity.generate().peerID)
        self.records["a"] = [f"dnsaddr={impostor}", f"dnsaddr={live}"]
        connection = self.nodes.result(self.client.connect("/dnsaddr/a"))
        self.assertEqual(connection.remotePeer, self.server.peerID)
        self.records["c"] = [f"dnsaddr={live}"]
        for name in ("a", "c") * 10:
            again = self.nodes.result(self.client.connect(f"/dnsaddr/{name}"))
            self.assertIs(again, connection)
        self.assertEqual(len(self.client.connections), 1)
        self.records["b"] = [f"dnsaddr={impostor}"]
        dial = self.client.connect("/dnsaddr/b")
        self.nodes.settle()
        ((address, cause),) = self.failureResultOf(dial, DialFailed).value.causes
        self.assertEqual(address, str(impostor))
        self.assertIsInstance(cause, PeerMismatch)

    def test_shared(self) -> None:
        """
        However many ask for a name, it is resolved once.
        """
        waiting: list[Deferred[Any]] = []
        silent = MemoryTransport(self.nodes.network).serverEndpoint(
            Multiaddr("/memory/500")
        )
        self.nodes.result(silent.listen(SilentFactory()))
        self.records["a"] = [f"dnsaddr=/memory/500/p2p/{self.server.peerID}"]
        for _ in range(20):
            waiting.append(self.client.connect("/dnsaddr/a"))
            self.nodes.settle()
        self.assertEqual(len(self.asked), 1)
        self.nodes.advance(11)
        for each in waiting:
            causes = self.failureResultOf(each, DialFailed).value.causes
            self.assertEqual(len(causes), 1)

    def test_nowhere(self) -> None:
        """
        A name that leads nowhere is one cause among the others.
        """
        self.client.peerstore.addAddresses(
            self.server.peerID, [Multiaddr("/dnsaddr/a"), Multiaddr("/memory/404")]
        )
        dial = self.client.connect(self.server.peerID)
        error = self.failureResultOf(dial, DialFailed).value
        causes = dict(error.causes)
        self.assertIsInstance(causes["/dnsaddr/a"], NoAddresses)
        self.assertIsInstance(causes["/memory/404"], ConnectionRefusedError)

    def test_tooMany(self) -> None:
        """
        A peer that says it is behind ever so many names has eight resolved.
        """
        names = [Multiaddr(f"/dnsaddr/{n}") for n in range(20)]
        dial = self.client._dialer.dial(self.server.peerID, names)
        error = self.failureResultOf(dial, DialFailed).value
        self.assertEqual((len(self.asked), len(error.causes)), (8, 20))
