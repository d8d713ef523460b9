# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the service that knows whether peers can dial a node.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ClosedHere, ConfigurationError
from twisted_libp2p.events import (
    ClosedConn,
    Identified,
    OpenedConn,
    ReachabilityChanged,
)
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    Direction,
    IHostService,
    Reachability,
    Verdict,
)
from twisted_libp2p.reachability.messages import (
    DIAL_REQUEST,
    DialResponse,
    DialStatus,
    Status,
)
from twisted_libp2p.reachability.observed import Mapping
from twisted_libp2p.reachability.service import ReachabilityService
from twisted_libp2p.testing import HostDouble, MemoryNodes
from twisted_libp2p.testing.host import ConnectionDouble
from twisted_libp2p.wire.frames import delimit

INNER = Multiaddr("/ip4/10.0.0.2/tcp/4001")
SOCKET = Multiaddr("/ip4/10.0.0.2/tcp/4001/ws")
OUTER = Multiaddr("/ip4/45.46.1.1/tcp/4001")
PUBLIC = Multiaddr("/ip4/7.7.7.7/tcp/4001")


class ServiceTestCase(SynchronousTestCase):
    """
    The service in a node without a network.
    """

    def setUp(self) -> None:
        """
        Start it, in a node that listens in a private network.
        """
        self.clock = Clock()
        self.host = HostDouble(self.clock, addresses=[INNER, SOCKET])
        self.service = ReachabilityService()
        self.service.attach(self.host)
        self.events: list[ReachabilityChanged] = []
        self.host.events.subscribe(ReachabilityChanged, self.events.append)
        self.service.startService()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """
        Stop it: nothing is left.
        """
        self.service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def meet(
        self,
        address: str,
        observed: Multiaddr | None = OUTER,
        *,
        direction: Direction = Direction.OUTBOUND,
        local: Multiaddr | None = INNER,
        serves: bool = True,
    ) -> ConnectionDouble:
        """
        Connect with a peer, which describes itself.
        """
        protocols = (DIAL_REQUEST,) if serves else ()
        connection = self.host.meet(None, address, protocols)
        connection.direction = direction
        connection.localAddress = local
        common: dict[str, Any] = {
            "time": 0.0,
            "connection": connection,
            "peer": connection.remotePeer,
        }
        self.host.events.publish(
            OpenedConn(
                **common,
                localAddress=local,
                remoteAddress=connection.remoteAddress,
                direction=direction,
                security="/noise",
                muxer="/yamux/1.0.0",
                remoteKey=connection.remoteKey,
                early=True,
                upgradeTime=0.0,
            )
        )
        self.host.events.publish(
            Identified(
                **common,
                agent="",
                protocolVersion="",
                protocols=protocols,
                listenAddresses=(),
                observedAddress=observed,
                record=None,
                push=False,
            )
        )
        return connection

    def lose(self, connection: ConnectionDouble, reason: Exception) -> None:
        """
        End a connection.
        """
        connection.abort(Failure(reason))
        self.host.events.publish(
            ClosedConn(
                time=0.0,
                connection=connection,  # type: ignore[arg-type]
                peer=connection.remotePeer,
                localAddress=connection.localAddress,
                remoteAddress=connection.remoteAddress,
                direction=connection.direction,
                security="/noise",
                muxer="/yamux/1.0.0",
                reason=Failure(reason),
            )
        )

    def answer(self, connection: ConnectionDouble, dial: DialStatus) -> None:
        """
        Let a server answer the last question.
        """
        if dial is DialStatus.OK:
            # The prober knows the number; here it is simply believed.
            for each in self.service.questions._prober._expected:
                if not each.arrived.called:
                    each.arrived.callback(None)
        response = DialResponse(Status.OK, 0, dial).toBytes()
        connection.opened[-1].protocol.dataReceived(delimit(response))

    def confidence(self, address: Multiaddr) -> Confidence | None:
        """
        Return the confidence in an address of ours.
        """
        for each in self.host.ownAddresses.all():
            if each.address == address:
                return each.confidence
        return None


class ObservedTests(ServiceTestCase):
    """
    The addresses from which peers see us.
    """

    def test_provides(self) -> None:
        """
        It is a service of a node, and needs no timer without peers.
        """
        verifyObject(IHostService, self.service)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIs(self.service.state, Reachability.UNKNOWN)

    def test_networks(self) -> None:
        """
        An address is claimed when one network sees it, and given to peers when four
        networks do; so are the layers of each listener on the same port.
        """
        for each in range(1, 5):
            expected = Confidence.CLAIMED if each > 1 else None
            self.assertIs(self.confidence(OUTER), expected)
            self.meet(f"/ip4/45.45.{each}.1/tcp/1", serves=False)
        layered = OUTER.encapsulate("/ws")
        self.assertIs(self.confidence(OUTER), Confidence.LIKELY)
        self.assertIs(self.confidence(layered), Confidence.LIKELY)
        self.assertIn(OUTER, self.host.ownAddresses.dialable())

    def test_sybils(self) -> None:
        """
        A thousand peers in one network are one.
        """
        for each in range(1, 200):
            self.meet(f"/ip4/45.45.1.{each}/tcp/1", serves=False)
        self.assertIs(self.confidence(OUTER), Confidence.CLAIMED)

    def test_victims(self) -> None:
        """
        However many addresses peers claim to see, three of a listener are used.
        """
        for each in range(1, 100):
            outer = Multiaddr(f"/ip4/9.9.9.{each}/tcp/4001")
            self.meet(f"/ip4/45.45.{each}.1/tcp/1", outer, serves=False)
        observed = [
            each
            for each in self.host.ownAddresses.all()
            if each.source is AddressSource.OBSERVED and each.address.names[-1] == "tcp"
        ]
        self.assertEqual(len(observed), 3)

    def test_ignored(self) -> None:
        """
        Reports from inside, about another kind of address, of a NAT64 or a relay, and
        those about another port of ours do not count.
        """
        relay = self.host.peerID
        for address, observed, local in (
            ("/ip4/10.0.0.7/tcp/1", OUTER, INNER),
            ("/ip4/127.0.0.1/tcp/1", OUTER, INNER),
            (f"/ip4/45.45.1.1/tcp/1/p2p/{relay}/p2p-circuit", OUTER, INNER),
            ("/ip4/45.45.1.1/tcp/1", Multiaddr("/ip4/10.0.0.2/tcp/4001"), INNER),
            ("/ip4/45.45.1.1/tcp/1", Multiaddr("/ip4/45.46.1.1/udp/4001"), INNER),
            ("/ip4/45.45.1.1/tcp/1", Multiaddr("/ip6/64:ff9b::909:909/tcp/1"), INNER),
            ("/ip4/45.45.1.1/tcp/1", Multiaddr("/memory/1"), INNER),
            ("/ip4/45.45.1.1/tcp/1", OUTER, Multiaddr("/ip4/10.0.0.2/tcp/50000")),
            ("/ip4/45.45.1.1/tcp/1", OUTER, None),
            ("/ip4/45.45.1.1/tcp/1", None, INNER),
        ):
            self.meet(address, observed, local=local, serves=False)
            sources = {each.source for each in self.host.ownAddresses.all()}
            self.assertEqual(sources, {AddressSource.BOUND}, (address, observed))

    def test_private(self) -> None:
        """
        A peer in a private network sees us there at another address, which is claimed
        until the peer has gone, and never judged.
        """
        nearby = Multiaddr("/ip4/10.9.0.1/tcp/4001")
        peers = [
            self.meet(f"/ip4/10.9.{each}.7/tcp/1", nearby, serves=False)
            for each in range(1, 6)
        ]
        self.assertIs(self.confidence(nearby), Confidence.CLAIMED)
        self.assertIs(self.service.mapping, Mapping.UNKNOWN)
        self.assertNotIn(nearby, self.host.ownAddresses.dialable())
        self.assertEqual(self.service.verdicts, ())
        for each in peers:
            self.lose(each, ClosedHere(0))
        self.assertIsNone(self.confidence(nearby))

    def test_gone(self) -> None:
        """
        With the connection the report goes.
        """
        connection = self.meet("/ip4/45.45.1.1/tcp/1")
        self.assertIs(self.confidence(OUTER), Confidence.CLAIMED)
        self.lose(connection, ClosedHere(0))
        self.assertIsNone(self.confidence(OUTER))

    def test_symmetric(self) -> None:
        """
        A router that gives each connection another port makes the node private, at
        once.
        """
        for each in range(1, 4):
            outer = Multiaddr(f"/ip4/45.46.1.1/tcp/{30000 + each}")
            self.meet(f"/ip4/45.45.{each}.1/tcp/1", outer, serves=False)
        self.assertIs(self.service.mapping, Mapping.DEPENDENT)
        self.assertIs(self.events[-1].reachability, Reachability.PRIVATE)
        self.assertIn("another public port", self.service.explain())


class VerdictTests(ServiceTestCase):
    """
    The verdicts of servers.
    """

    def ask(self, *networks: int) -> list[ConnectionDouble]:
        """
        Meet servers, and let a second pass.
        """
        found = [self.meet(f"/ip4/45.45.{each}.1/tcp/1") for each in networks]
        self.clock.advance(1)
        return found

    def test_reached(self) -> None:
        """
        When two networks have reached us, the address is confirmed.
        """
        one, two, _ = self.ask(1, 2, 3)
        self.answer(one, DialStatus.OK)
        self.assertIs(self.service.state, Reachability.UNKNOWN)
        self.answer(two, DialStatus.OK)
        self.assertIs(self.service.state, Reachability.PUBLIC)
        self.assertIs(self.confidence(OUTER), Confidence.CONFIRMED)
        self.assertIs(self.events[-1].reachability, Reachability.PUBLIC)
        self.assertIn((OUTER, Verdict.REACHABLE), self.events[-1].verdicts)
        self.assertTrue(self.service.server.serving)
        self.assertIn(
            f"reached by {one.remotePeer}, AutoNAT v2", self.service.explain()
        )

    def test_notReached(self) -> None:
        """
        When they have not, it is withdrawn, although four networks see it.
        """
        for each in range(5, 9):
            self.meet(f"/ip4/45.45.{each}.1/tcp/1", serves=False)
        self.assertIn(OUTER, self.host.ownAddresses.dialable())
        for server in self.ask(1, 2, 3):
            self.answer(server, DialStatus.DIAL_ERROR)
        self.assertIs(self.service.state, Reachability.PRIVATE)
        self.assertIs(self.confidence(OUTER), Confidence.UNREACHABLE)
        self.assertNotIn(OUTER, self.host.ownAddresses.dialable())
        self.assertFalse(self.service.server.serving)

    def test_announced(self) -> None:
        """
        An address that the user has announced is never withdrawn.
        """
        self.host.ownAddresses.replace(AddressSource.ANNOUNCED, [OUTER])
        for each in self.ask(1, 2, 3):
            self.answer(each, DialStatus.DIAL_ERROR)
        self.assertIs(self.service.state, Reachability.PRIVATE)
        self.assertIn(OUTER, self.host.ownAddresses.dialable())

    def test_oneNetwork(self) -> None:
        """
        Of several servers in one network one is asked.
        """
        first = [self.meet(f"/ip4/45.45.1.{each}/tcp/1") for each in (1, 2, 3)]
        self.clock.advance(1)
        self.assertEqual(sum(len(each.opened) for each in first), 1)

    def test_useless(self) -> None:
        """
        A server that answers nothing useful is named in the report, and others are
        asked in its place.
        """
        (one,) = self.ask(1)
        response = DialResponse(Status.DIAL_REFUSED).toBytes()
        one.opened[-1].protocol.dataReceived(delimit(response))
        self.assertIn("does not dial it", self.service.explain())
        self.assertIs(self.service.state, Reachability.UNKNOWN)
        self.clock.advance(600)
        self.assertEqual(len(one.opened), 1)
        (two,) = self.ask(2)
        self.assertEqual(len(two.opened), 1)

    def test_again(self) -> None:
        """
        After an hour servers are asked again.
        """
        found = self.ask(1, 2, 3)
        for each in found:
            self.answer(each, DialStatus.OK)
        self.clock.pump([600] * 5)
        self.assertEqual([len(each.opened) for each in found], [1, 1, 1])
        self.clock.pump([600, 600])
        self.assertEqual([len(each.opened) for each in found], [2, 2, 2])

    def test_strangers(self) -> None:
        """
        Peers that we have never dialed, and that have dialed the address that they see,
        are votes, too; peers that we have dialed are not: a router may let them in.
        """
        inbound = Direction.INBOUND
        for each in (1, 2):
            self.meet(f"/ip4/45.45.{each}.1/tcp/1", serves=False)
            self.meet(f"/ip4/45.45.{each}.1/tcp/9", direction=inbound, serves=False)
        self.assertIs(self.service.state, Reachability.UNKNOWN)
        for each in (3, 4):
            self.meet(f"/ip4/45.45.{each}.1/tcp/9", direction=inbound, serves=False)
        self.assertIs(self.service.state, Reachability.PUBLIC)
        self.assertIn("an inbound connection", self.service.explain())

    def test_moved(self) -> None:
        """
        After a change of our own addresses servers are asked again; the verdict stays
        until they have answered.
        """
        self.host.ownAddresses.replace(AddressSource.BOUND, [INNER, PUBLIC])
        found = self.ask(1, 2, 3)
        for _ in range(2):
            for each in found:
                self.answer(each, DialStatus.OK)
            self.clock.advance(6)
            self.clock.advance(10)
        self.assertIs(self.service.state, Reachability.PUBLIC)
        before = [len(each.opened) for each in found]
        self.host.ownAddresses.replace(AddressSource.BOUND, [INNER, PUBLIC, SOCKET])
        self.assertIs(self.service.state, Reachability.PUBLIC)
        self.assertIn("before the network changed", self.service.explain())
        self.clock.advance(1)
        self.assertNotEqual([len(each.opened) for each in found], before)

    def test_lost(self) -> None:
        """
        If half of the connections are lost, servers are asked again; not if a side
        has closed them in order.
        """
        for error, stale in (
            (ClosedHere(0), False),
            (ConnectionDone(), False),
            (ConnectionLost(), True),
        ):
            found = self.ask(1, 2, 3)
            for each in found:
                self.answer(each, DialStatus.OK)
            for each in found[:2]:
                self.lose(each, error)
            end = self.service._tracker.ends[OUTER]
            self.assertIs(end.stale, stale)
            self.lose(found[2], ClosedHere(0))
            self.clock.advance(100)

    def test_public(self) -> None:
        """
        A node with a public address answers the questions of others before it knows.
        """
        self.assertFalse(self.service.server.serving)
        self.host.ownAddresses.replace(AddressSource.BOUND, [PUBLIC])
        self.assertTrue(self.service.server.serving)

    def test_stopped(self) -> None:
        """
        A stop in the middle of a question leaves nothing.
        """
        (one,) = self.ask(1)
        self.stop()
        self.assertIsNotNone(one.opened[-1].resetCode)
        self.assertEqual(self.host.registry.protocols(), ())
        self.service.startService()


class NodeTests(SynchronousTestCase):
    """
    The service in a node.
    """

    def test_node(self) -> None:
        """
        Each node has it, unless it was made without.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start()
        self.assertIs(node.reachability.state, Reachability.UNKNOWN)
        self.assertIn("not public   /memory/", node.reachability.explain())
        without = nodes.start(reachability=False)
        with self.assertRaises(ConfigurationError):
            print(without.reachability)
