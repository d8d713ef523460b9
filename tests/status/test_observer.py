# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.observer}.
"""

from __future__ import annotations

import json

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import Event, LimitReached, ListenClose
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Resource, ScopeKind
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.status import observer
from twisted_libp2p.status.observer import MAX_TEXT, RECENT, Observer, printable
from twisted_libp2p.testing import MemoryNodes

#: The kinds of the events that end a connection.
ENDS = ("disconnected", "lost")


class ObserverTests(SynchronousTestCase):
    """
    What is told of a node.
    """

    def setUp(self) -> None:
        """
        Watch a node that serves echo.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start(agent="tested/1")
        self.node.registry.register(ECHO, EchoFactory())
        self.steady = Clock()
        self.observer = Observer(self.node, self.steady.seconds)

    def test_idle(self) -> None:
        """
        A node that does nothing has a name, and that is all.
        """
        told = self.observer.snapshot()
        self.assertEqual(told["peer"], str(self.node.peerID))
        self.assertEqual(told["agent"], "tested/1")
        self.assertEqual(told["addresses"], [str(self.node.addresses[0])])
        self.assertEqual((told["peers"], told["connections"]["count"]), (0, 0))
        self.assertEqual(self.observer.since(0), [])

    def test_uptime(self) -> None:
        """
        The time since the start stays true when the clock of the host is set.
        """
        self.steady.advance(3)
        self.nodes.advance(3600)
        self.assertEqual(self.observer.snapshot()["uptime"], 3.0)

    def test_backends(self) -> None:
        """
        The libraries that transports use are named.
        """
        self.assertEqual(self.observer.snapshot()["backends"], {})
        transport = QuicTransport(
            self.nodes.clock, Identity.generate(), backend=AioquicBackend()
        )
        node = Node(self.nodes.clock, transports=[transport])
        named = Observer(node).snapshot()["backends"]
        self.assertEqual(named, {"quic": transport.backendName})
        self.assertIn("aioquic 1.", named["quic"])

    def test_connection(self) -> None:
        """
        A connection is told with its peer and all that was agreed, for as long
        as it is there; its streams with their protocols.
        """
        client = self.nodes.start(agent="lantern/2")
        self.nodes.connect(client, self.node)
        self.nodes.result(
            client.connector(self.node.addresses[0], ECHO).connect(
                Factory.forProtocol(Protocol)
            )
        )
        self.node.connections.tags.set(client.peerID, "a", 2.5)
        self.node.connections.protect(client.peerID, "b", redial=False)
        self.nodes.advance(2)
        told = json.loads(json.dumps(self.observer.snapshot()))
        (row,) = told["connections"]["shown"]
        address = row.pop("address")
        self.assertTrue(address.startswith("/memory/"))
        (connection,) = self.node.connections
        counted = row.pop("received"), row.pop("sent")
        self.assertEqual(counted, (connection.received, connection.sent))
        self.assertEqual(
            (told["traffic"]["received"], told["traffic"]["sent"]), counted
        )
        self.assertEqual(
            row,
            {
                "peer": str(client.peerID),
                "agent": "lantern/2",
                "direction": "inbound",
                "transport": "memory",
                "security": "/noise",
                "muxer": "/yamux/1.0.0",
                "early": True,
                "age": 2.0,
                "roundTrip": None,
                "receiving": None,
                "sending": None,
                "streams": 1,
                "value": 2.5,
                "protected": True,
            },
        )
        self.assertEqual(
            told["protocols"],
            {"count": 1, "shown": [{"protocol": ECHO, "inbound": 1, "outbound": 0}]},
        )
        self.assertEqual(told["streams"]["count"], 1)
        self.assertEqual(told["connections"]["inbound"], 1)
        # Echo, and identify in both directions.
        self.assertEqual(told["totals"], {"opened": 1, "closed": 0, "streams": 3})
        self.assertEqual(sum(told["rates"]["streams"]), 3)
        self.nodes.result(client.stopService())
        self.nodes.advance(2)
        told = self.observer.snapshot()
        self.assertEqual(told["connections"]["shown"], [])
        self.assertEqual(told["protocols"]["shown"], [])
        self.assertEqual(told["totals"]["closed"], 1)
        self.assertEqual(self.observer._agents, {})

    def test_unlimited(self) -> None:
        """
        No limit is told as none.
        """
        node = self.nodes.start(limits=Limits.none())
        told = Observer(node).snapshot()
        self.assertIsNone(told["connections"]["limit"])
        self.assertIsNone(told["streams"]["limit"])

    def test_many(self) -> None:
        """
        Of very many connections and protocols some are told, and how many there
        are.
        """
        self.patch(observer, "MAX_CONNECTIONS", 2)
        self.patch(observer, "MAX_PROTOCOLS", 1)
        self.node.registry.register("/other/1", EchoFactory())
        for _ in range(3):
            client = self.nodes.start()
            for protocol in (ECHO, "/other/1"):
                self.nodes.result(
                    client.connector(self.node.addresses[0], protocol).connect(
                        Factory.forProtocol(Protocol)
                    )
                )
        told = self.observer.snapshot()
        self.assertEqual(told["connections"]["count"], 3)
        self.assertEqual(len(told["connections"]["shown"]), 2)
        self.assertEqual(told["protocols"]["count"], 2)
        self.assertEqual(len(told["protocols"]["shown"]), 1)

    def test_lost(self) -> None:
        """
        A peer that is lost is not one that leaves; the next dial of a kept one is
        shown.
        """
        peer, friend = self.nodes.start(), self.nodes.start()
        self.node.keep(friend.addresses[0], "test")
        self.nodes.connect(self.node, peer)
        self.nodes.result(peer.stopService())
        self.nodes.crash(friend)
        self.assertEqual(
            [each.kind for each in self.observer.since(0) if each.kind in ENDS],
            ["disconnected", "lost"],
        )
        (redial,) = self.observer.snapshot()["redials"]
        self.assertEqual(redial["peer"], str(friend.peerID))
        self.assertGreater(redial["seconds"], 0)

    def test_roundTrip(self) -> None:
        """
        The round trip is shown that the muxer has measured.
        """
        nodes = MemoryNodes(delay=0.05)
        self.addCleanup(nodes.stop)
        near, far = nodes.start(), nodes.start()
        watching = Observer(near)
        nodes.connect(near, far)
        nodes.advance(1)
        (row,) = watching.snapshot()["connections"]["shown"]
        self.assertAlmostEqual(row["roundTrip"], 0.1)

    def test_dials(self) -> None:
        """
        The causes of failed dials are counted, and blocked peers are listed.
        """
        peer = self.nodes.start()
        node = self.nodes.start(
            gater=ListGater(blocked=[peer.peerID, "192.0.2.0/24", "/ip4/192.0.2.1"])
        )
        told = Observer(node).snapshot()
        blocked = sorted(["/ip4/192.0.2.1", "192.0.2.0/24", str(peer.peerID)])
        self.assertEqual(told["blocked"], {"count": 3, "shown": blocked})
        self.assertEqual(told["dials"], [])
        for _ in range(2):
            dialing = self.node.connect(f"/memory/999999/p2p/{peer.peerID}")
            self.nodes.advance(60)
            self.failureResultOf(dialing, DialFailed)
        (row,) = self.observer.snapshot()["dials"]
        self.assertEqual((row["transport"], row["network"]), ("memory", "unknown"))
        self.assertEqual(row["count"], 2)

    def test_served(self) -> None:
        """
        The served protocols are listed, with those that have no stream.
        """
        self.assertIn(ECHO, self.observer.snapshot()["served"])

    def test_events(self) -> None:
        """
        What happens is told in words, in order, from any event on; and whoever
        wants to is called.
        """
        calls: list[int] = []
        self.observer.changed = lambda: calls.append(self.observer.number)
        client = self.nodes.start(agent="lantern/2")
        self.nodes.connect(client, self.node)
        happened = self.observer.since(0)
        self.assertEqual(
            [each.kind for each in happened if not each.stream],
            ["connected", "identified"],
        )
        self.assertEqual(
            {each.kind for each in happened if each.stream},
            {"stream opened", "stream closed"},
        )
        self.assertEqual({each.peer for each in happened}, {str(client.peerID)})
        self.assertIn("lantern/2, 3 protocols", [each.detail for each in happened])
        self.assertEqual([each.number for each in happened], list(range(len(calls))))
        self.assertEqual(calls, list(range(1, len(calls) + 1)))
        self.assertEqual(self.observer.since(4), happened[4:])
        self.observer.close()
        self.nodes.result(client.stopService())
        self.assertEqual(self.observer.since(0), happened)

    def test_words(self) -> None:
        """
        So are limits, listeners, and events of which nothing is known.
        """
        address = Multiaddr("/memory/7")
        for event in (
            LimitReached(
                time=1.0,
                scope="connections of the system",
                limit=8,
                current=9,
                option="Limits.system.connections",
                kind=ScopeKind.SYSTEM,
                resource=Resource.CONNECTIONS,
                direction=None,
                peer=None,
                count=3,
            ),
            ListenClose(time=2.0, address=address, reason=Failure(OSError("gone"))),
            ListenClose(time=3.0, address=address),
            Event(time=4.0),
        ):
            self.node.events.publish(event)
        self.assertEqual(
            [(each.time, each.kind, each.detail) for each in self.observer.since(0)],
            [
                (
                    1.0,
                    "refused",
                    "3: connections of the system, 9 of 8;"
                    " see Limits.system.connections",
                ),
                (2.0, "not listening", "/memory/7: gone"),
                (3.0, "not listening", "/memory/7"),
                (4.0, "Event", ""),
            ],
        )

    def test_flood(self) -> None:
        """
        However many streams there are, they take no more room, and hide no
        other event.
        """
        client = self.nodes.start()
        self.nodes.connect(client, self.node)
        for _ in range(RECENT):
            protocol = self.nodes.result(
                client.connector(self.node.addresses[0], ECHO).connect(
                    Factory.forProtocol(Protocol)
                )
            )
            assert isinstance(protocol, Protocol)
            transport = protocol.transport
            assert transport is not None
            transport.loseConnection()
            self.nodes.settle()
        happened = self.observer.since(0)
        self.assertEqual(sum(each.stream for each in happened), RECENT)
        self.assertEqual(
            [each.kind for each in happened if not each.stream],
            ["connected", "identified"],
        )


class PrintableTests(SynchronousTestCase):
    """
    Text of strangers.
    """

    def test_kept(self) -> None:
        """
        What can be seen is kept, in any script, and markup is nothing special.
        """
        for text in ("", "go-libp2p/0.40", "Füße 灯笼", "<b>&amp;</b>"):
            self.assertEqual(printable(text), text)

    def test_replaced(self) -> None:
        """
        What is not seen, or turns others around, is replaced.
        """
        self.assertEqual(printable("a\u202eb\x00c\nd\ud800"), "a�b�c�d�")

    def test_long(self) -> None:
        """
        What is too long is cut.
        """
        self.assertEqual(printable("x" * MAX_TEXT), "x" * MAX_TEXT)
        cut = printable("x" * (MAX_TEXT + 1))
        self.assertEqual((len(cut), cut[-1]), (MAX_TEXT, "…"))
