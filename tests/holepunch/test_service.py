# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.holepunch.service}, on a node without a network.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import Identified, OpenedConn
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.holepunch.exchange import DCUTR, Message, MessageType
from twisted_libp2p.holepunch.service import (
    EXCHANGE_TIME,
    MAX_ANSWERS,
    HolePunching,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AddressSource, Direction, IHostService, Role
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.wire.frames import delimit

RELAY, PEER = Identity.generate(), Identity.generate()
CIRCUIT = f"/ip4/45.45.0.10/tcp/4001/p2p/{RELAY.peerID}/p2p-circuit"
HERE, THERE = Multiaddr("/ip4/45.46.1.1/tcp/4001"), Multiaddr("/ip4/45.46.2.1/tcp/4001")
UDP = "/ip4/{}/udp/4001/quic-v1"
CONNECT = delimit(Message(MessageType.CONNECT, (THERE,)).toBytes())
SYNC = delimit(Message(MessageType.SYNC).toBytes())


class HolePunchingTests(SynchronousTestCase):
    """
    The service, whose dials the test answers.
    """

    def setUp(self) -> None:
        """
        Start the service on a node that listens.
        """
        self.host = HostDouble(addresses=[Multiaddr("/ip4/10.1.0.2/tcp/4001")])
        self.service = HolePunching()
        self.service.attach(self.host)
        self.service.startService()
        self.events: list[Any] = []
        for each in (DirectConnection, HolePunchFailed):
            self.host.events.subscribe(each, self.events.append)

    @property
    def clock(self) -> Any:
        """
        The clock of the node.
        """
        return self.host.clock

    def opened(self, direction: Direction, address: str = CIRCUIT) -> Any:
        """
        Connect the peer.
        """
        connection = self.host.meet(PEER, address, serves=[DCUTR])
        connection.direction = direction
        self.host.events.publish(
            OpenedConn(
                time=0.0,
                connection=connection,  # type: ignore[arg-type]
                peer=PEER.peerID,
                localAddress=None,
                remoteAddress=connection.remoteAddress,
                direction=direction,
                security="/noise",
                muxer="/yamux/1.0.0",
                remoteKey=connection.remoteKey,
                early=True,
                upgradeTime=0.0,
            )
        )
        return connection

    def identified(
        self, connection: Any, *listening: Multiaddr, observed: Multiaddr | None = None
    ) -> None:
        """
        Let the peer of a connection describe itself.
        """
        self.host.events.publish(
            Identified(
                time=0.0,
                connection=connection,
                peer=connection.remotePeer,
                agent="",
                protocolVersion="",
                protocols=(),
                listenAddresses=listening,
                observedAddress=observed,
                push=False,
            )
        )

    def test_contract(self) -> None:
        """
        It is a service, and serves its protocol from the first relayed connection on.
        """
        verifyObject(IHostService, self.service)
        self.assertIsNone(self.host.registry.lookup(DCUTR))
        self.opened(Direction.OUTBOUND)
        self.assertTrue(self.host.registry.allowsLimited(DCUTR))
        self.service.stopService()
        self.assertIsNone(self.host.registry.lookup(DCUTR))

    def test_addresses(self) -> None:
        """
        The addresses at which peers see us come first; those at relays are none.
        """
        own = self.host.ownAddresses
        mapped, udp = Multiaddr("/ip4/45.46.1.9/tcp/4002"), UDP.format("45.46.1.1")
        own.update(AddressSource.MAPPED, [mapped])
        own.update(AddressSource.OBSERVED, [HERE, Multiaddr(udp)])
        own.update(AddressSource.RELAYED, [Multiaddr(CIRCUIT)])
        self.assertEqual(self.service.addresses(), [HERE, Multiaddr(udp), mapped])

    def ask(self, seconds: float = 0.2) -> Any:
        """
        Let the service begin, and the peer answer.

        @return: the stream.
        """
        connection = self.opened(Direction.INBOUND)
        self.identified(connection)
        (stream,) = connection.opened
        self.clock.advance(seconds)
        stream.protocol.dataReceived(CONNECT)
        return stream

    def test_asking(self) -> None:
        """
        The side that was reached begins, and dials half a round trip after its last
        message, as the server.
        """
        stream = self.ask()
        self.assertEqual(
            stream.value(), delimit(Message(MessageType.CONNECT).toBytes()) + SYNC
        )
        self.assertEqual(self.host.punched, [])
        self.clock.advance(0.11)
        ((addresses, role, roundTrip, _),) = self.host.punched
        self.assertEqual((addresses, role), ((THERE,), Role.SERVER))
        self.assertAlmostEqual(roundTrip or 0.0, 0.2)

    def test_succeeded(self) -> None:
        """
        A direct connection ends the work, whichever side has opened it.
        """
        self.ask()
        self.clock.advance(0.11)
        self.opened(Direction.INBOUND, str(THERE))
        self.clock.advance(0)
        (event,) = self.events
        self.assertIsInstance(event, DirectConnection)
        self.assertEqual(event.attempts, 1)
        self.assertEqual(self.service._running, {})

    def test_failed(self) -> None:
        """
        There are three exchanges; after the last one the peer is dialed as one that
        does not dial us.
        """
        connection = self.ask().connection
        for number in range(3):
            self.clock.advance(3.0)
            *_, punching = self.host.punched[number]
            punching.errback(DialFailed("peer", []))
            if number < 2:
                connection.opened[-1].protocol.dataReceived(CONNECT)
        (event,) = self.events
        self.assertIsInstance(event, HolePunchFailed)
        self.assertEqual(event.attempts, 3)
        roles = [role for _, role, _, _ in self.host.punched]
        self.assertEqual(roles, [Role.SERVER, Role.SERVER, Role.CLIENT])
        self.assertIsNone(self.host.punched[-1][2])

    def test_reversal(self) -> None:
        """
        A peer with public addresses is dialed at once, once.
        """
        self.identified(self.opened(Direction.INBOUND), THERE)
        ((addresses, role, roundTrip, _),) = self.host.punched
        self.assertEqual((addresses, role, roundTrip), ((THERE,), Role.CLIENT, None))

    def test_silent(self) -> None:
        """
        A peer that does not answer is given up.
        """
        self.identified(self.opened(Direction.INBOUND))
        self.clock.advance(EXCHANGE_TIME)
        self.clock.advance(0)
        (event,) = self.events
        self.assertIsInstance(event, HolePunchFailed)

    def test_answering(self) -> None:
        """
        The side that has dialed answers, and dials at the last message, as the client.
        """
        connection = self.opened(Direction.OUTBOUND)
        stream = self.host.serve(connection, DCUTR)
        for each in CONNECT:
            stream.protocol.dataReceived(bytes([each]))
        self.assertEqual(
            stream.value(), delimit(Message(MessageType.CONNECT).toBytes())
        )
        self.clock.advance(0.3)
        stream.protocol.dataReceived(SYNC)
        ((addresses, role, roundTrip, _),) = self.host.punched
        self.assertEqual((addresses, role), ((THERE,), Role.CLIENT))
        self.assertAlmostEqual(roundTrip or 0.0, 0.3)

    def test_notAnswering(self) -> None:
        """
        Only a peer that we have dialed through a relay may ask, and on one stream.
        """
        first = self.opened(Direction.OUTBOUND)
        self.host.serve(first, DCUTR)
        self.assertTrue(self.host.serve(first, DCUTR).disconnected)
        for direction, address in (
            (Direction.INBOUND, CIRCUIT),
            (Direction.OUTBOUND, str(THERE)),
        ):
            other = self.host.meet(Identity.generate(), address)
            other.direction = direction
            self.assertTrue(self.host.serve(other, DCUTR).disconnected)

    def test_again(self) -> None:
        """
        A peer that asks again has given up its dials: ours end when the next begin, and
        count as failed.
        """
        connection = self.opened(Direction.OUTBOUND)
        self.host.serve(connection, DCUTR).protocol.dataReceived(CONNECT + SYNC)
        stream = self.host.serve(connection, DCUTR)
        stream.protocol.dataReceived(CONNECT)
        (*_, first), *_ = self.host.punched
        self.assertFalse(stream.disconnected)
        self.assertFalse(first.called)
        stream.protocol.dataReceived(SYNC)
        self.assertTrue(first.called)
        *_, second = self.host.punched[-1]
        self.assertFalse(second.called)
        outcomes = self.service.record.outcomes
        self.assertEqual(list(outcomes), [("receiver", 1, "no_suitable_address")])
        self.service.stopService()
        self.assertEqual(outcomes.total(), 1)

    def test_private(self) -> None:
        """
        Through a relay in a private network, addresses in private networks count, too.
        """
        named = Multiaddr("/ip4/10.9.0.1/tcp/4001")
        message = delimit(Message(MessageType.CONNECT, (named, THERE)).toBytes())
        inside = CIRCUIT.replace("45.45.0.10", "10.8.0.1")
        for place, expected, own in (
            (CIRCUIT, (THERE,), ()),
            (inside, (named, THERE), (Multiaddr("/ip4/10.1.0.2/tcp/4001"),)),
        ):
            connection = self.opened(Direction.OUTBOUND, place)
            stream = self.host.serve(connection, DCUTR)
            stream.protocol.dataReceived(message)
            self.assertEqual(
                stream.value(), delimit(Message(MessageType.CONNECT, own).toBytes())
            )
            stream.protocol.dataReceived(SYNC)
            *_, (addresses, _, _, punching) = self.host.punched
            self.assertEqual(addresses, expected)
            punching.errback(DialFailed("peer", []))

    def test_answers(self) -> None:
        """
        A peer that asks again and again is no longer answered.
        """
        connection = self.opened(Direction.OUTBOUND)
        for _ in range(MAX_ANSWERS):
            stream = self.host.serve(connection, DCUTR)
            stream.protocol.dataReceived(CONNECT + SYNC)
            *_, punching = self.host.punched[-1]
            punching.errback(DialFailed("peer", []))
        self.assertTrue(self.host.serve(connection, DCUTR).disconnected)
        self.assertEqual(len(self.host.punched), MAX_ANSWERS)

    def test_stop(self) -> None:
        """
        A service that stops leaves nothing.
        """
        self.ask()
        self.clock.advance(0.11)
        *_, punching = self.host.punched[0]
        self.service.stopService()
        self.assertTrue(punching.called)
        self.assertEqual(self.clock.getDelayedCalls(), [])
