# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.punch}, with transports whose dials the test ends.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection import punch
from twisted_libp2p.connection.punch import Puncher
from twisted_libp2p.errors import DialFailed, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DialOptions, IPacketPunching, Role

PEER, OTHER = Identity.generate().peerID, Identity.generate().peerID
TCP = Multiaddr("/ip4/45.46.1.1/tcp/4001")
QUIC = Multiaddr("/ip4/45.46.1.1/udp/4001/quic-v1")


class Packets:
    """
    A transport with packets without meaning, such as QUIC.

    @ivar sent: the addresses that got one.
    @ivar sighted: called with the source of each; None if nobody waits.
    """

    def __init__(self) -> None:
        self.sent: list[Multiaddr] = []
        self.sighted: Callable[[Multiaddr], object] | None = None
        self.listens = True
        directlyProvides(self, IPacketPunching)

    def sendPunch(self, address: Multiaddr) -> None:
        """
        Record a packet.
        """
        if not self.listens:
            raise UnsupportedAddress("nobody listens")
        self.sent.append(address)

    def awaitPunches(
        self, address: Multiaddr, sighted: Callable[[Multiaddr], object]
    ) -> Callable[[], None]:
        """
        Keep the function.
        """
        self.sighted = sighted

        def stop() -> None:
            self.sighted = None

        return stop


class Net:
    """
    The parts of a node that a puncher uses.

    @ivar dials: the address, the options and the result of each dial.
    @ivar counted: the addresses that the filter has counted.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.expected: dict[bytes | None, list[Any]] = {}
        self.dials: list[tuple[Multiaddr, DialOptions, Deferred[Any]]] = []
        self.counted: list[Multiaddr] = []
        self.packets, self.stream = Packets(), object()
        nobody = SimpleNamespace(dialing=lambda peer, address: None)
        self.context = SimpleNamespace(clock=self.clock, open=True, connections=nobody)

    def outbound(self, transport: Any, peer: Any, options: DialOptions) -> None:
        """
        Prepare nothing.
        """

    async def connect(
        self, upgrade: Any, transport: Any, address: Multiaddr, *, options: DialOptions
    ) -> Any:
        """
        Record a dial.
        """
        result: Deferred[Any] = Deferred()
        self.dials.append((address, options, result))
        return await result

    def find(self, address: Multiaddr, origin: Origin) -> Any:
        """
        Return the transport of an address.
        """
        return self.stream if "tcp" in address.names else self.packets

    def dialing(self, origin: Origin, address: Multiaddr) -> None:
        """
        Count a dial.
        """
        self.counted.append(address)


class PuncherTests(SynchronousTestCase):
    """
    A puncher, whose random numbers are always the greatest.
    """

    def setUp(self) -> None:
        """
        Make a puncher.
        """
        self.net = cast(Any, Net())
        self.puncher = Puncher(self.net, self.net, self.net, lambda: 1.0)

    def punch(self, role: Role, *addresses: Multiaddr) -> Deferred[Any]:
        """
        Punch for 5 seconds, with a round trip of 0.1 seconds.
        """
        result = self.puncher.punch(PEER, addresses, role, 0.1, 5.0, Origin.PUBLIC)
        return result.addErrback(lambda reason: reason.trap(DialFailed) and reason)

    def test_server(self) -> None:
        """
        The server dials over TCP, and sends packets over QUIC.
        """
        result = self.punch(Role.SERVER, TCP, QUIC)
        ((address, options, _),) = self.net.dials
        self.assertEqual(address, TCP)
        self.assertEqual((options.role, options.fromListener), (Role.SERVER, True))
        self.assertEqual(self.net.packets.sent, [QUIC])
        self.net.clock.advance(punch.PACKET_WAIT)
        self.assertEqual(self.net.packets.sent, [QUIC, QUIC])
        self.assertEqual(self.net.counted, [TCP, QUIC])
        self.net.clock.advance(5.0)
        self.assertIsInstance(self.failureResultOf(result).value, DialFailed)
        self.assertEqual(self.net.clock.getDelayedCalls(), [])

    def test_serverDials(self) -> None:
        """
        If that does not help, the server dials over QUIC too, as a client.
        """
        self.punch(Role.SERVER, QUIC)
        for _ in range(13):
            self.assertEqual(self.net.dials, [])
            self.net.clock.advance(punch.PACKET_WAIT)
        self.assertEqual(len(self.net.packets.sent), 13)
        ((address, options, dial),) = self.net.dials
        self.assertEqual((address, options.role), (QUIC, Role.CLIENT))
        dial.errback(OSError("refused"))
        self.net.clock.advance(0.1)
        self.assertEqual([each[0] for each in self.net.dials], [QUIC, QUIC])
        self.assertEqual(self.net.counted, [QUIC])
        self.puncher.stop()

    def test_client(self) -> None:
        """
        The client dials over both, again after an error.
        """
        self.punch(Role.CLIENT, TCP, QUIC)
        trips = [options.roundTrip for _, options, _ in self.net.dials]
        self.assertEqual(trips, [0.1, 0.1])
        self.assertEqual([each[0] for each in self.net.dials], [TCP, QUIC])
        self.assertEqual(self.net.packets.sent, [])
        self.net.dials[1][2].errback(OSError("refused"))
        self.net.clock.advance(0.1)
        self.assertEqual([each[0] for each in self.net.dials], [TCP, QUIC, QUIC])
        self.puncher.stop()
        self.assertEqual(self.net.clock.getDelayedCalls(), [])

    def test_random(self) -> None:
        """
        The waits are those of the random numbers.
        """
        numbers = iter([0.0, 0.5, 0.5])
        self.puncher = Puncher(self.net, self.net, self.net, lambda: next(numbers))
        self.punch(Role.CLIENT, TCP)
        for wait in (0.01, 0.055):
            self.net.dials[-1][2].errback(OSError("refused"))
            made = len(self.net.dials)
            self.net.clock.advance(wait - 0.001)
            self.assertEqual(len(self.net.dials), made)
            self.net.clock.advance(0.001)
            self.assertEqual(len(self.net.dials), made + 1)
        self.puncher.stop()

    def test_sighted(self) -> None:
        """
        The client dials the ports from which the packets of the peer come, as well, but
        not many, and each once.
        """
        result = self.punch(Role.CLIENT, QUIC)
        sighted = self.net.packets.sighted
        for port in (4001, *range(5000, 5010), 5000):
            sighted(Multiaddr(f"/ip4/45.46.1.1/udp/{port}/quic-v1"))
        self.assertEqual(
            [int(each[0].value("udp")) for each in self.net.dials],
            [4001, 5000, 5001, 5002, 5003],
        )
        self.net.dials[-1][2].callback(SimpleNamespace())
        self.successResultOf(result)
        self.assertIsNone(self.net.packets.sighted)
        sighted(Multiaddr("/ip4/45.46.1.1/udp/6000/quic-v1"))
        self.assertEqual(len(self.net.dials), 5)

    def test_accepted(self) -> None:
        """
        A connection that the peer opens ends the punch; one of another peer behind the
        same router does not.
        """
        for role in Role:
            result = self.punch(role, TCP)
            ((expected,),) = self.net.expected.values()
            self.assertIs(expected.role, role)
            expected.take(SimpleNamespace(remotePeer=OTHER))
            self.assertNoResult(result)
            mine = SimpleNamespace(remotePeer=PEER)
            self.assertIs(expected.take(mine), mine)
            self.assertIs(self.successResultOf(result), mine)
            self.assertEqual(self.net.expected, {})

    def test_neighbours(self) -> None:
        """
        The end of a punch leaves those of other peers behind the same router.
        """
        first = self.punch(Role.CLIENT, TCP)
        self.puncher.punch(
            OTHER, [TCP], Role.CLIENT, 0.1, 5.0, Origin.PUBLIC
        ).addErrback(lambda reason: None)
        first.cancel()
        self.failureResultOf(first)
        ((expected,),) = self.net.expected.values()
        self.assertEqual(expected.peer, OTHER)
        self.puncher.stop()

    def test_notListening(self) -> None:
        """
        A node that listens nowhere cannot punch.
        """
        self.net.packets.listens = False
        reason = self.failureResultOf(self.punch(Role.SERVER, QUIC))
        self.assertIn("nobody listens", str(reason.value))
        self.assertEqual(self.net.expected, {})
