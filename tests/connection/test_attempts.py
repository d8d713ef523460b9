# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dialing many addresses of one peer.
"""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.connection.silence import SilentFactory
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import (
    DialFailed,
    Gated,
    PeerMismatch,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Direction, Source
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


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
