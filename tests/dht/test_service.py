# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.service}: nodes of ours with each other.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import combinations

from tests.dht.case import PREFIX, PROTOCOL, DHTTestCase
from twisted_libp2p.dht.events import (
    CrowdedKey,
    LookupEnded,
    ServerModeChanged,
    TableChanged,
)
from twisted_libp2p.dht.lookups import START_TIME
from twisted_libp2p.dht.netsize import NetworkSize
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.errors import ConfigurationError, InvalidRecord, NotFound

KEY = b"\x12\x20" + sha256(b"content").digest()


class TableTests(DHTTestCase):
    """
    The servers that a node knows.
    """

    def test_entered(self) -> None:
        """
        Connected servers enter the tables of each other; a client enters none.
        """
        (one, first), (two, second) = self.chain(2)
        client, third = self.start("client")
        self.nodes.connect(client, one)
        self.assertIn(two.peerID, first.table)
        self.assertIn(one.peerID, second.table)
        self.assertIn(one.peerID, third.table)
        self.assertNotIn(client.peerID, first.table)
        self.assertIn(PROTOCOL, one.registry.protocols())
        self.assertNotIn(PROTOCOL, client.registry.protocols())

    def test_left(self) -> None:
        """
        A server that becomes a client leaves the tables.
        """
        (_, first), (two, second) = self.chain(2)
        changes: list[TableChanged] = []
        modes: list[ServerModeChanged] = []
        self.nodes.advance(0.0)
        first._host.events.subscribe(TableChanged, changes.append)
        second._host.events.subscribe(ServerModeChanged, modes.append)
        second.setMode("client")
        self.nodes.advance(5.0)
        self.assertNotIn(two.peerID, first.table)
        self.assertEqual([each.added for each in changes], [False])
        self.assertEqual([each.server for each in modes], [False])

    def test_drained(self) -> None:
        """
        A server whose node drains leaves the tables at once, and does not come back;
        its application still looks up.
        """
        (one, first), (two, second), _ = self.chain(3)
        drained = two.drain(30.0)
        second.setMode("server")
        self.nodes.settle()
        self.assertNotIn(two.peerID, first.table)
        self.assertNotIn(PROTOCOL, two.registry.protocols())
        report = self.nodes.result(second.closest(KEY))
        self.assertIn(one.peerID, report.nearest)
        self.nodes.advance(10.0)
        self.successResultOf(drained)

    def test_drainedTable(self) -> None:
        """
        A server that enters the empty table of a draining node begins no refresh.
        """
        (one, _), (two, second) = self.chain(2)
        second.drain()
        second.table.remove(one.peerID)
        before = two.clock.getDelayedCalls()
        second._admission.succeeded(one.peerID)
        self.assertIn(one.peerID, second.table)
        self.assertEqual(two.clock.getDelayedCalls(), before)

    def test_refresh(self) -> None:
        """
        The lookups of the upkeep fill the tables of a chain of nodes.
        """
        chain = self.chain(6)
        self.nodes.advance(700.0)
        for _, dht in chain:
            self.assertEqual(len(dht.table), 5)


class PeerTests(DHTTestCase):
    """
    Finding peers.
    """

    def test_found(self) -> None:
        """
        A node connects to a peer of which it knows only the id, and explains its way.
        """
        chain = self.chain(5)
        client, dht = self.start("client")
        self.nodes.connect(client, chain[0][0])
        target = chain[4][0]
        connection = self.nodes.result(client.connect(target.peerID))
        self.assertEqual(connection.remotePeer, target.peerID)
        found = self.nodes.result(dht.locate(target.peerID))
        self.assertEqual(
            [each.withoutPeer() for each in target.addresses], list(found.addresses)
        )
        self.assertIn("by way of", dht.explain(target.peerID.toBytes()))
        self.assertEqual(dht.explain(b"other"), "")
        self.assertIn("by way of", client.routing.explain(target.peerID))

    def test_unknown(self) -> None:
        """
        The addresses of an unknown peer are not found; the report has the numbers.
        """
        chain = self.chain(3)
        client, dht = self.start("client")
        self.nodes.connect(client, chain[0][0])
        stranger = self.nodes.start()
        found = self.nodes.result(dht.locate(stranger.peerID))
        self.assertEqual(found.addresses, ())
        self.assertEqual(found.report.asked, 3)

    def test_nobody(self) -> None:
        """
        Without a server the error says why, after a while; to the dialer too.
        """
        lonely, dht = self.start("client")
        other = self.nodes.start()
        self.nodes.connect(lonely, other)
        waiting = dht.locate(other.peerID)
        dialing = dht.findPeer(other.peerID)
        self.nodes.advance(START_TIME)
        for each in (waiting, dialing):
            error = self.failureResultOf(each, NotFound)
            self.assertIn("none of 1 connected peers serves /test", str(error.value))

    def test_waits(self) -> None:
        """
        A lookup waits for the first server.
        """
        server, _ = self.start()
        client, dht = self.start("client")
        waiting = dht.closest(b"key")
        self.nodes.connect(client, server)
        self.nodes.settle()
        self.assertEqual(self.successResultOf(waiting).nearest, (server.peerID,))

    def test_cancelled(self) -> None:
        """
        A waiting lookup can be cancelled, and ends when the node stops.
        """
        _, dht = self.start("client")
        dht.closest(b"key").addErrback(lambda _: None).cancel()
        waiting = dht.closest(b"key")
        self.nodes.stop()
        self.failureResultOf(waiting, NotFound)


class CrowdTests(DHTTestCase):
    """
    Keys to which the nearest servers are nearer than by chance.
    """

    def test_widened(self) -> None:
        """
        A lookup of such a key raises the alarm, and goes on with twice as many servers.
        """
        dht = KademliaDHT(PREFIX, "server", k=3)
        own = self.nodes.start(services=[dht])
        others = [self.start()[0] for _ in range(7)]
        for one, other in combinations((*others, own), 2):
            self.nodes.connect(one, other)
        self.nodes.settle()
        alarms: list[CrowdedKey] = []
        own.events.subscribe(CrowdedKey, alarms.append)
        ended: list[LookupEnded] = []
        key = b"a key"
        own.events.subscribe(LookupEnded, ended.append, lambda it: it.report.key == key)
        self.assertEqual(len(self.nodes.result(dht.closest(key)).nearest), 3)
        self.patch(NetworkSize, "estimate", lambda *_: 100.0)
        self.patch(NetworkSize, "tooDense", lambda *_: True)
        self.assertEqual(len(self.nodes.result(dht.closest(key)).nearest), 6)
        self.assertEqual([len(each.report.nearest) for each in alarms], [3])
        self.assertEqual([len(each.report.nearest) for each in ended], [3, 3, 6])


class ContentTests(DHTTestCase):
    """
    Providers of content.
    """

    def test_providers(self) -> None:
        """
        A provider is found by another node, with its addresses.
        """
        chain = self.chain(4)
        provider, first = self.start("client")
        client, second = self.start("client")
        self.nodes.connect(provider, chain[0][0])
        self.nodes.connect(client, chain[3][0])
        stored = self.nodes.result(first.provide(KEY))
        self.assertEqual(stored.count, 4)
        [(peer, addresses)] = self.nodes.result(second.findProviders(KEY))
        self.assertEqual(peer, provider.peerID)
        self.assertEqual(
            list(addresses), [each.withoutPeer() for each in provider.addresses]
        )

    def test_none(self) -> None:
        """
        Content without a provider is not found.
        """
        chain = self.chain(2)
        found = self.nodes.result(chain[0][1].locateProviders(KEY))
        self.assertEqual(found.providers, {})

    def test_unreachable(self) -> None:
        """
        A node without an address provides nothing.
        """
        (one, _), _ = self.chain(2)
        node, dht = self.start("client", listen=())
        self.nodes.connect(node, one)
        error = self.assertRaises(NotFound, self.nodes.result, dht.provide(KEY))
        self.assertIn("could not reach this node", str(error))


class ValueTests(DHTTestCase):
    """
    Values.
    """

    def test_values(self) -> None:
        """
        A stored value is found by another node; a missing one is not.
        """
        chain = self.chain(4)
        writer, first = self.start("client")
        reader, second = self.start("client")
        self.nodes.connect(writer, chain[0][0])
        self.nodes.connect(reader, chain[3][0])
        stored = self.nodes.result(first.put(b"/v/key", b"value"))
        self.assertEqual(stored.count, 4)
        found = self.nodes.result(second.get(b"/v/key"))
        self.assertEqual((found.value, found.holders), (b"value", 4))
        found = self.nodes.result(second.get(b"/v/key", quorum=1))
        self.assertGreaterEqual(found.holders, 1)
        error = self.assertRaises(
            NotFound, self.nodes.result, second.get(b"/v/missing")
        )
        self.assertIn("4 peers asked, 4 have answered", str(error))

    def test_corrected(self) -> None:
        """
        A nearest server without the value gets it.
        """
        chain = self.chain(3)
        (_, first), *_, (_, last) = chain
        self.nodes.result(first.put(b"/v/key", b"value"))
        last.values._remove(b"/v/key")
        self.nodes.result(first.get(b"/v/key"))
        self.nodes.settle()
        stored = last.values.get(b"/v/key", 0.0)
        assert stored is not None
        self.assertEqual(stored.value, b"value")

    def test_publicKey(self) -> None:
        """
        The rules of a namespace hold here as well.
        """
        (one, first), (two, _) = self.chain(2)
        key = b"/pk/" + one.peerID.toBytes()
        stored = self.nodes.result(first.put(key, one.identity.publicKey.toBytes()))
        self.assertEqual(stored.count, 1)
        wrong = two.identity.publicKey.toBytes()
        self.assertRaises(InvalidRecord, self.nodes.result, first.put(key, wrong))
        error = self.assertRaises(
            InvalidRecord, self.nodes.result, first.put(b"/other/key", b"value")
        )
        self.assertIn("ipns, pk, v", str(error))


class ArgumentTests(DHTTestCase):
    """
    Wrong arguments.
    """

    def test_refused(self) -> None:
        """
        The error says what would be right.
        """
        for arguments, right in (
            (("ipfs",), "such as /ipfs"),
            (("/ipfs/",), "such as /ipfs"),
            (("/test", "servant"), "client, server or auto"),
            (("/test", "server", "here"), "public, private or all"),
        ):
            error = self.assertRaises(ConfigurationError, KademliaDHT, *arguments)
            self.assertIn(right, str(error))
        error = self.assertRaises(ConfigurationError, KademliaDHT, k=7)
        self.assertIn("another prefix", str(error))
