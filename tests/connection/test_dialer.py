# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dialing a peer.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import (
    DialFailed,
    DialToSelf,
    ErrorCode,
    Gated,
    InvalidMultiaddr,
    InvalidPeerID,
    NoAddresses,
    PeerMismatch,
    ProtocolViolation,
    SessionEnded,
    UnsupportedAddress,
    UpgradeTimeout,
)
from twisted_libp2p.events import ClosedConn, Event, OpenedConn
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Direction, Source
from twisted_libp2p.limits import Limits, ScopeLimits
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


class SilentFactory(Factory):
    """
    Accepts and says nothing.
    """

    noisy = False

    def __init__(self) -> None:
        self.accepted = 0

    def buildProtocol(self, addr: object) -> Any:
        self.accepted += 1
        return Protocol()


class DialTests(SynchronousTestCase):
    """
    From a peer id, or an address, to a connection.
    """

    def setUp(self) -> None:
        """
        Have two nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server, self.client = self.nodes.start(), self.nodes.start()
        self.address = self.server.addresses[0]

    def test_forms(self) -> None:
        """
        A peer is dialed by its full address as text or object, and once it is
        known by its id in any spelling, which gives the same connection.
        """
        peer = self.server.peerID
        first = self.nodes.result(self.client.connect(str(self.address)))
        for target in (
            self.address,
            peer,
            str(peer),
            peer.toCID(),
            peer.toCID("base36"),
            f"/p2p/{peer}",
        ):
            self.assertIs(self.nodes.result(self.client.connect(target)), first)

    def test_anybody(self) -> None:
        """
        An address without a peer id takes who answers.
        """
        connection = self.nodes.result(self.client.connect(self.address.withoutPeer()))
        self.assertEqual(connection.remotePeer, self.server.peerID)

    def connections(self) -> tuple[int, int]:
        """
        Count the connections of both nodes.
        """
        self.nodes.settle()
        return len(self.client.connections), len(self.server.connections)

    def test_anybodyAgain(self) -> None:
        """
        An address without a peer id can be used any number of times: there is
        one transport and one connection, until that has ended.
        """
        bare = str(self.address.withoutPeer())
        accepted = self.accepted()
        for _ in range(20):
            self.nodes.result(self.client.ping(bare))
        self.assertEqual(self.connections(), (1, 1))
        self.assertEqual(len(accepted), 1)
        (first,) = self.client.connections
        self.nodes.result(first.close())
        again = self.nodes.result(self.client.connect(bare))
        self.assertIsNot(again, first)
        self.assertTrue(again.connected)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyKnown(self) -> None:
        """
        If the peer that answers is connected already, whoever has dialed, its
        connection is used; the new one is closed with a code, and no event is
        published for it.
        """
        first = self.nodes.result(self.client.connect(self.address))
        events: list[object] = []
        self.client.events.subscribe(Event, events.append)
        closed: list[ClosedConn] = []
        self.server.events.subscribe(ClosedConn, closed.append)
        for _ in range(20):
            address = self.nodes.result(self.server.listenOn("/memory/0"))[0]
            bare = address.withoutPeer()
            self.assertIs(self.nodes.result(self.client.connect(bare)), first)
        self.assertEqual(self.connections(), (1, 1))
        kinds = {type(each) for each in events}
        self.assertFalse(kinds & {OpenedConn, ClosedConn})
        for each in closed:
            reason = each.reason.value
            assert isinstance(reason, SessionEnded)
            self.assertEqual(reason.code, ErrorCode.SUPPLANTED)
        self.assertEqual(len(closed), 20)
        # Long after it was opened, a connection of the peer's will do as well.
        self.nodes.advance(20)
        target = self.client.addresses[0].withoutPeer()
        back = self.nodes.result(self.server.connect(target))
        self.assertIs(back.direction, Direction.INBOUND)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyAtOnce(self) -> None:
        """
        Dials at once by several addresses of one unknown peer lead to one
        connection.
        """
        others = self.nodes.result(self.server.listenOn("/memory/0"))
        dials = [
            self.client.connect(each.withoutPeer()) for each in (self.address, *others)
        ]
        self.nodes.settle()
        self.assertEqual(len({self.successResultOf(dial) for dial in dials}), 1)
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyMutual(self) -> None:
        """
        When both sides dial at once by address alone, both end with the same
        connection, and nothing that they have opened on the other one is lost.
        """
        dials = [
            self.client.connect(self.server.addresses[0].withoutPeer()),
            self.server.connect(self.client.addresses[0].withoutPeer()),
        ]
        self.nodes.settle()
        for dial in dials:
            self.assertTrue(self.successResultOf(dial).connected)
        self.nodes.advance(60)
        self.assertEqual(self.connections(), (1, 1))
        for node, other in (
            (self.client, self.server),
            (self.server, self.client),
        ):
            target = other.addresses[0].withoutPeer()
            self.nodes.result(node.ping(target))
        self.assertEqual(self.connections(), (1, 1))

    def test_anybodyCrowded(self) -> None:
        """
        The limit of the peer's connections does not refuse a dial that needs no
        further connection.
        """
        limits = replace(Limits.none(), peer=ScopeLimits(connections=1))
        client = self.nodes.start(limits=limits)
        first = self.nodes.result(client.connect(self.address))
        bare = self.nodes.result(self.server.listenOn("/memory/0"))[0].withoutPeer()
        self.assertIs(self.nodes.result(client.connect(bare)), first)

    def accepted(self) -> list[Any]:
        """
        Note the transports that the server accepts from now on.
        """
        number = int(self.address.value("memory") or 0)
        port = self.nodes.network.ports[number]
        build, accepted = port.factory.buildProtocol, []

        def counting(addr: Any) -> Any:
            accepted.append(addr)
            return build(addr)

        port.factory.buildProtocol = counting  # type: ignore[method-assign]
        return accepted

    def test_remembered(self) -> None:
        """
        SD-22: a peer that was connected once is dialed again by its id alone.
        """
        first = self.nodes.result(self.client.connect(self.address))
        self.nodes.result(first.close())
        self.nodes.settle()
        again = self.nodes.result(self.client.connect(self.server.peerID))
        self.assertIsNot(again, first)
        self.assertTrue(again.connected)

    def test_shared(self) -> None:
        """
        A hundred callers share one dial, and each may cancel his own share.
        """
        accepted = self.accepted()
        dials = [self.client.connect(self.address) for _ in range(100)]
        dials[7].cancel()
        self.failureResultOf(dials.pop(7), CancelledError)
        self.nodes.settle()
        self.assertEqual(len({self.successResultOf(dial) for dial in dials}), 1)
        self.assertEqual(len(accepted), 1)

    def test_lastCancel(self) -> None:
        """
        When the last caller has gone, so is the dial; the next one starts
        anew.
        """
        silent, address = self.silentListener()
        one, two = self.client.connect(address), self.client.connect(address)
        for dial in (one, two):
            dial.cancel()
            self.failureResultOf(dial, CancelledError)
        self.nodes.settle()
        three = self.client.connect(address)
        self.nodes.settle()
        self.assertEqual(silent.accepted, 2)
        three.cancel()
        self.failureResultOf(three)

    def silentListener(self) -> tuple[SilentFactory, Multiaddr]:
        """
        Listen, and say nothing.
        """
        factory, address = SilentFactory(), Multiaddr("/memory/500")
        endpoint = MemoryTransport(self.nodes.network).serverEndpoint(address)
        self.nodes.result(endpoint.listen(factory))
        return factory, address

    def dialKnown(self, *addresses: str) -> Deferred[Any]:
        """
        Dial the server at addresses that are told beforehand.
        """
        self.client.peerstore.addAddresses(
            self.server.peerID, [Multiaddr(each) for each in addresses]
        )
        return self.client.connect(self.server.peerID)

    def test_deadThenLive(self) -> None:
        """
        A dead address does not keep from a live one, in any order.
        """
        live = str(self.address.withoutPeer())
        for known in (("/memory/404", live), (live, "/memory/404")):
            connection = self.nodes.result(self.dialKnown(*known))
            self.nodes.result(connection.close())
            self.nodes.settle()

    def test_causes(self) -> None:
        """
        A failed dial tells for each address why.
        """
        dial = self.dialKnown("/memory/404", "/ip4/127.0.0.1/udp/1/quic-v1")
        self.nodes.settle()
        error = self.failureResultOf(dial, DialFailed).value
        causes = dict(error.causes)
        self.assertIsInstance(causes["/memory/404"], ConnectionRefusedError)
        self.assertIsInstance(
            causes["/ip4/127.0.0.1/udp/1/quic-v1"], UnsupportedAddress
        )
        for word in (
            str(self.server.peerID),
            "/memory/404",
            "quic-v1; /ip4/127.0.0.1/tcp/4001 is one that TCP dials",
        ):
            self.assertIn(word, str(error))

    def test_nothingPinned(self) -> None:
        """
        A cause does not hold on to what the peer has sent: frames of its traceback
        would.
        """

        class Evil(Protocol):
            """
            Answers any proposal with 60 KB of no message.
            """

            transport: Any

            def dataReceived(self, data: bytes) -> None:
                """
                Answer.
                """
                self.transport.write(b"x" * 60_000)

        transport = MemoryTransport(self.nodes.network)
        endpoint = transport.serverEndpoint(Multiaddr("/memory/777"))
        self.nodes.result(endpoint.listen(Factory.forProtocol(Evil)))
        dial = self.client.connect("/memory/777")
        self.nodes.settle()
        error = self.failureResultOf(dial, DialFailed).value
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, ProtocolViolation)
        chain: list[BaseException | None] = [cause]
        while chain:
            each = chain.pop()
            if each is not None:
                self.assertIsNone(each.__traceback__)
                chain += (each.__cause__, each.__context__)

    def test_text(self) -> None:
        """
        An address that was dialed alone is told once.
        """
        dial = self.client.connect("/memory/404")
        error = self.failureResultOf(dial, DialFailed).value
        self.assertEqual(str(error).count("/memory/404"), 1)

    def test_self(self) -> None:
        """
        A node does not dial itself.
        """
        self.failureResultOf(self.client.connect(self.client.peerID), DialToSelf)
        self.failureResultOf(self.client.connect(self.client.addresses[0]), DialToSelf)

    def test_own(self) -> None:
        """
        Where a peer says to be at an address of ours as well, that is not
        tried unless all others fail.
        """
        own = self.client.addresses[0].withoutPeer()
        accepted: list[Any] = []
        port = self.nodes.network.ports[int(own.value("memory") or 0)]
        self.patch(port.factory, "buildProtocol", accepted.append)
        live = str(self.address.withoutPeer())
        connection = self.nodes.result(self.dialKnown(str(own), live))
        self.assertEqual((connection.remotePeer, accepted), (self.server.peerID, []))
        dial = self.client._dialer.dial(Identity.generate().peerID, [own])
        self.failureResultOf(dial, DialFailed)
        self.assertEqual(len(accepted), 1)

    def test_selfUnknown(self) -> None:
        """
        At an address without a peer id it finds out who answers, and nobody
        hears of a connection.
        """
        opened: list[OpenedConn] = []
        self.client.events.subscribe(OpenedConn, opened.append)
        ports = self.nodes.network.ports
        own = self.client.addresses[0].withoutPeer()
        ports[777] = ports[int(own.value("memory") or 0)]
        for target in (own, Multiaddr("/memory/777")):
            dial = self.client.connect(target)
            self.nodes.settle()
            error = self.failureResultOf(dial, DialFailed).value
            self.assertIsInstance(error.causes[0][1], DialToSelf)
            self.assertEqual((opened, len(self.client.connections)), ([], 0))
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])

    def test_unknown(self) -> None:
        """
        A peer of which no address is known cannot be dialed.
        """
        stranger = Identity.generate().peerID
        self.failureResultOf(self.client.connect(stranger), NoAddresses)

    def test_malformed(self) -> None:
        """
        What is neither address nor peer id is refused as what it resembles.
        """
        self.failureResultOf(self.client.connect("/ip4/x"), InvalidMultiaddr)
        self.failureResultOf(self.client.connect("nobody"), InvalidPeerID)

    def test_stop(self) -> None:
        """
        A node that stops gives up its dials.
        """
        _, address = self.silentListener()
        dial = self.client.connect(address)
        self.nodes.settle()
        self.nodes.result(self.client.stopService())
        self.failureResultOf(dial, CancelledError)


class AddressesTests(SynchronousTestCase):
    """
    A peer of which many addresses are known, and few of them are good.
    """

    def setUp(self) -> None:
        """
        Have two nodes, with half a millisecond between them.
        """
        self.nodes = MemoryNodes(0.0005)
        self.addCleanup(self.stop)
        self.server, self.client = self.nodes.start(), self.nodes.start(listen=())
        self.live = self.server.addresses[0].withoutPeer()
        self.silent = SilentFactory()

    def stop(self) -> None:
        """
        Stop the nodes, and see that they leave nothing.
        """
        for node in (self.client, self.server):
            node.stopService()
        self.nodes.advance(10)
        self.nodes.stop()

    def test_useless(self) -> None:
        """
        Any number of addresses that no transport dials leaves room for one that
        leads to the peer, and few of them are kept.
        """
        peer = self.server.peerID
        for address in [
            *(f"/ip4/192.0.2.1/udp/{n}/quic-v1" for n in range(1, 2000)),
            *(f"/dns4/{n}.test/udp/1/quic-v1" for n in range(1, 2000)),
        ]:
            self.client.peerstore.addAddresses(peer, [address], Source.CONFIGURED)
        useless = [Multiaddr(f"/ip4/192.0.2.1/udp/{n}/quic-v1") for n in range(1, 500)]
        dial = self.client._dialer.dial(peer, [*useless, self.live])
        self.nodes.advance(5)
        self.assertEqual(self.successResultOf(dial).remotePeer, peer)

    def blackHoles(self, count: int) -> list[Multiaddr]:
        """
        Give addresses where nothing ever happens.
        """
        addresses = [Multiaddr(f"/memory/{500 + n}") for n in range(count)]
        transport = MemoryTransport(self.nodes.network)
        for address in addresses:
            self.nodes.result(transport.serverEndpoint(address).listen(self.silent))
        return addresses

    def dead(self, count: int) -> list[Multiaddr]:
        """
        Give addresses where nobody listens.
        """
        return [Multiaddr(f"/memory/{1000 + n}") for n in range(count)]

    def dial(self, *addresses: Multiaddr, node: Node | None = None) -> Deferred[Any]:
        """
        Dial the server at these addresses, in this order.
        """
        dialer = (node or self.client)._dialer
        return dialer.dial(self.server.peerID, addresses)

    def assertTakes(self, seconds: float, dial: Deferred[Any]) -> Any:
        """
        Assert that a dial succeeds after about so much time.
        """
        self.nodes.advance(seconds - 0.005)
        self.assertNoResult(dial)
        self.nodes.advance(0.02)
        return self.successResultOf(dial)

    def test_fiftyDead(self) -> None:
        """
        One good address behind 49 dead ones is reached within the first step:
        each failure brings the next one forward.
        """
        dial = self.dial(*self.dead(49), self.live)
        self.nodes.advance(0.2)
        connection = self.successResultOf(dial)
        self.assertEqual(connection.remotePeer, self.server.peerID)

    def test_anyOrder(self) -> None:
        """
        Wherever among fifty the good one is.
        """
        chance = random.Random(1)
        addresses = [*self.dead(49), self.live]
        for _ in range(10):
            chance.shuffle(addresses)
            dial = self.dial(*addresses)
            self.nodes.advance(0.2)
            closing = self.successResultOf(dial).close()
            self.nodes.advance(1)
            self.successResultOf(closing)

    def test_blackHole(self) -> None:
        """
        An address that does not answer costs one step; when another has won,
        nothing is left of it.
        """
        (hole,) = self.blackHoles(1)
        self.assertTakes(0.25, self.dial(hole, self.live))
        self.nodes.advance(1)
        self.assertEqual(self.silent.accepted, 1)
        self.assertEqual(len(self.client._upgrader.upgrades), 0)

    def test_order(self) -> None:
        """
        A good address that comes first is the only one that is tried.
        """
        dial = self.dial(self.live, *self.blackHoles(3))
        self.nodes.advance(5)
        self.successResultOf(dial)
        self.assertEqual(self.silent.accepted, 0)

    def test_width(self) -> None:
        """
        No more than eight are tried at once; the upgrade that is over after
        ten seconds makes place for the next.
        """
        dial = self.dial(*self.blackHoles(20), self.live)
        self.nodes.advance(9)
        self.assertEqual(self.silent.accepted, 8)
        self.nodes.advance(3)
        self.assertEqual(self.silent.accepted, 16)
        self.nodes.advance(20)
        self.successResultOf(dial)

    def test_tooMany(self) -> None:
        """
        Of 200 addresses 100 are tried.
        """
        dial = self.dial(*self.dead(200))
        self.nodes.advance(30)
        error = self.failureResultOf(dial, DialFailed).value
        self.assertEqual(len(error.causes), 100)

    def test_unusable(self) -> None:
        """
        Addresses that no transport dials take nobody's place.
        """
        foreign = [Multiaddr(f"/ip4/192.0.2.{n}/udp/1/quic-v1") for n in range(150)]
        dial = self.dial(*foreign, self.live)
        self.nodes.advance(0.1)
        self.successResultOf(dial)

    def test_limit(self) -> None:
        """
        A dial is over after a minute, and tells so for each address that had
        not failed by then.
        """
        dial = self.dial(*self.blackHoles(100))
        self.nodes.advance(59)
        self.assertNoResult(dial)
        self.nodes.advance(2)
        error = self.failureResultOf(dial, DialFailed).value
        self.assertEqual(len(error.causes), 100)
        self.assertEqual({type(cause) for _, cause in error.causes}, {UpgradeTimeout})
        self.assertIn("the dial", str(error.causes[-1][1]))
        self.nodes.advance(1)
        self.assertEqual(len(self.client._upgrader.upgrades), 0)

    def test_addressLimit(self) -> None:
        """
        One address has fifteen seconds, though both dialects be tried: a
        transport that never connects is given up then.
        """
        self.nodes.network.delay = 1000.0
        dial = self.dial(self.live)
        self.nodes.advance(14.9)
        self.assertNoResult(dial)
        self.nodes.advance(0.2)
        ((_, cause),) = self.failureResultOf(dial, DialFailed).value.causes
        self.assertIsInstance(cause, UpgradeTimeout)
        self.nodes.network.delay = 0.0005

    def test_join(self) -> None:
        """
        Who joins a dial brings his addresses.
        """
        first = self.dial(*self.blackHoles(1))
        self.nodes.advance(1)
        second = self.dial(self.live)
        self.nodes.advance(0.1)
        self.assertIs(self.successResultOf(first), self.successResultOf(second))

    def test_cancelInCallback(self) -> None:
        """
        Who is told first may cancel what others wait for.
        """
        first, second = self.dial(self.live), self.dial(self.live)
        first.addCallback(lambda _: second.cancel())
        self.nodes.advance(1)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_backOff(self) -> None:
        """
        What has failed is left alone for five seconds, though it comes first;
        after that it has its chance again.
        """
        (hole,) = self.blackHoles(1)
        self.nodes.advance(11)
        self.failureResultOf(self.dialAndWait(hole, 11), DialFailed)
        for wait, seconds in ((0.0, 0.0), (5.0, 0.25)):
            self.nodes.advance(wait)
            connection = self.assertTakes(seconds + 0.005, self.dial(hole, self.live))
            connection.close()
            self.nodes.advance(0.1)

    def test_backOffEnds(self) -> None:
        """
        A back-off that ends just then does not lose the address.
        """
        remaining = iter([0.001])
        self.patch(
            self.client._dialer._backoff, "remaining", lambda *_: next(remaining, 0.0)
        )
        self.successResultOf(self.dialAndWait(self.live, 1))

    def dialAndWait(self, address: Multiaddr, seconds: float) -> Deferred[Any]:
        """
        Dial, and let time pass.
        """
        dial = self.dial(address)
        self.nodes.advance(seconds)
        return dial

    def test_backOffAlone(self) -> None:
        """
        Where there is nothing else it is tried all the same.
        """
        number = int(self.live.value("memory") or 0)
        port = self.nodes.network.ports.pop(number)
        self.failureResultOf(self.dialAndWait(self.live, 1), DialFailed)
        self.nodes.network.ports[number] = port
        self.successResultOf(self.dialAndWait(self.live, 1))

    def test_refused(self) -> None:
        """
        What our own side has refused is told, and says nothing of the address.
        """
        gater = ListGater(blocked=[self.server.peerID])
        client = self.nodes.start(gater=gater)
        dial = self.dial(self.live, node=client)
        ((_, cause),) = self.failureResultOf(dial, DialFailed).value.causes
        self.assertIsInstance(cause, Gated)
        gater.blocked.remove(self.server.peerID)
        dial = self.dial(self.live, *self.blackHoles(1), node=client)
        self.nodes.advance(0.2)
        self.successResultOf(dial)
        self.assertEqual(self.silent.accepted, 0)

    def test_wrongPeer(self) -> None:
        """
        Somebody else at one address is not the end of the dial.
        """
        other = self.nodes.start()
        dial = self.dial(other.addresses[0], self.live)
        self.nodes.advance(1)
        connection = self.successResultOf(dial)
        self.assertEqual(connection.remotePeer, self.server.peerID)
        dial = self.client._dialer.dial(
            Identity.generate().peerID, [other.addresses[0]]
        )
        self.nodes.advance(1)
        ((_, cause),) = self.failureResultOf(dial, DialFailed).value.causes
        self.assertIsInstance(cause, PeerMismatch)

    def test_cancelWhileConnecting(self) -> None:
        """
        To cancel before there is a transport leaves nothing.
        """
        dial = self.dial(self.live, *self.dead(3))
        self.nodes.advance(0.0002)
        dial.cancel()
        self.failureResultOf(dial, CancelledError)
        self.nodes.advance(1)
        self.assertEqual(len(self.server.connections), 0)

    def test_deafEndpoint(self) -> None:
        """
        An endpoint that connects although it was cancelled makes no connection.
        """
        factories: list[Any] = []

        class Deaf:
            def connect(self, factory: Any) -> Deferred[Any]:
                factories.append(factory)
                return Deferred()

        transport = self.client._transports[0]
        self.patch(transport, "clientEndpoint", lambda address, options: Deaf())
        dial = self.dial(self.live)
        dial.cancel()
        self.failureResultOf(dial, CancelledError)
        (factory,) = factories
        self.assertIsNone(factory.buildProtocol(None))
        self.assertEqual(self.client.connections.limiter.system.used.connections, 0)

    def test_inboundMeanwhile(self) -> None:
        """
        A dial that fails is none if the peer has connected meanwhile.
        """
        client = self.nodes.start()
        dial = self.dial(*self.blackHoles(1), node=client)
        back = self.server.connect(client.addresses[0])
        self.nodes.advance(11)
        self.successResultOf(back)
        connection = self.successResultOf(dial)
        self.assertIs(connection.direction, Direction.INBOUND)

    def test_reportedOnce(self) -> None:
        """
        The address of a new connection is reported to the peerstore once; one that
        led to an existing connection is reported too.
        """
        store = MemoryPeerStore(self.nodes.clock)
        reports: list[Any] = []
        reached = store._book.reached

        def report(peer: PeerID, record: Any, name: bytes) -> None:
            reports.append(Multiaddr.fromBytes(name))
            reached(peer, record, name)

        self.patch(store._book, "reached", report)
        client = self.nodes.start(peerstore=store)
        connection = self.nodes.result(client.connect(self.live))
        self.assertEqual(reports, [self.live.withoutPeer()])
        other = self.nodes.result(self.server.listenOn("/memory/0"))[0].withoutPeer()
        self.assertIs(self.nodes.result(client.connect(other)), connection)
        self.assertEqual(reports, [self.live.withoutPeer(), other])

    def test_lookup(self) -> None:
        """
        A peerstore that knows nothing is asked to look further.
        """
        waiting: Deferred[list[Multiaddr]] = Deferred()
        store = MemoryPeerStore(self.nodes.clock)
        store.lookup = lambda peer: waiting  # type: ignore[method-assign]
        client = self.nodes.start(peerstore=store)
        dial = client.connect(self.server.peerID)
        self.nodes.advance(1)
        self.assertNoResult(dial)
        waiting.callback([self.live])
        self.nodes.advance(1)
        self.successResultOf(dial)


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
