# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Relays, listeners and dialers of ours and of others, in all places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from tests.interop.ours import Tasks, serve
from tests.interop.process import ForeignPeer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import CircuitLimit
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.relay.events import ReservationHeld, ReservationLost
from twisted_libp2p.relay.port import CircuitPort
from twisted_libp2p.relay.reserving import Event, State
from twisted_libp2p.relay.service import RelayService

Command = Callable[[str], list[str]]

#: Bytes that every relay passes on in each direction; some count both together.
SIZE = 40_000

#: Bytes that a relay passes on which counts each direction by itself.
MORE = 100 * 1024

#: The sizes of an echo through the relays that let more than L{SIZE} pass.
SIZES = {"ours": MORE, "go": MORE}

#: The relays.
RELAYS = ("ours", "go", "js", "rust")

#: The listeners and dialers.
PEERS = ("ours", "go", "js", "py", "rust")

#: The relay, the listener and the dialer of each cell.
CELLS = [
    (relay, listener, dialer)
    for relay in RELAYS
    for listener in PEERS
    for dialer in PEERS
    if "ours" in (relay, listener, dialer)
]

#: Seconds for each step.
LIMIT = 60


class Cast:
    """
    The peers of a test.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._nodes: list[Node] = []
        self._foreign: list[ForeignPeer] = []

    def node(self, **options: Any) -> Node:
        """
        Start a node of ours.
        """
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], **options)
        serve(node)
        self._nodes.append(node)
        node.startService()
        return node

    def foreign(self, name: str, *arguments: str) -> ForeignPeer:
        """
        Start a peer of others.
        """
        peer = ForeignPeer.start(reactor, self._command(name), *arguments)
        self._foreign.append(peer)
        return peer

    async def relay(self, name: str, *options: str) -> str:
        """
        Start a relay.

        @param options: those of a peer of others.
        @return: its address.
        """
        if name == "ours":
            node = self.node(services=[RelayService()])
            await node.whenListening()
            return str(node.addresses[0])
        command = ["listen", "--relay-service"]
        if name == "rust":
            command = ["punch", "relay"]
        hello = await self.foreign(name, *command, *options).line()
        # go-libp2p names /p2p-circuit among its addresses.
        return next(
            str(each)
            for each in hello["addrs"]
            if "/tcp/" in each and "p2p-circuit" not in each
        )

    async def listener(self, name: str, relay: str) -> str:
        """
        Start a peer that listens at a relay.

        @return: its address there.
        """
        if name == "ours":
            node = await self.reserved(relay)
            addresses = [str(each) for each in node.addresses]
        else:
            hello = await self.foreign(name, "listen", "--circuit", relay).line(
                lambda line: "p2p-circuit" in str(line.get("addrs"))
            )
            addresses = hello["addrs"]
        name = relay.rpartition("/")[2]
        circuit = next(each for each in addresses if f"{name}/p2p-circuit" in each)
        # rust-libp2p states its addresses as they were asked for, with port 0.
        return f"{relay}/p2p-circuit/p2p/{circuit.rpartition('/')[2]}"

    async def reserved(self, relay: str) -> Node:
        """
        Start a node of ours that has a place at a relay.
        """
        node = self.node()
        held = node.events.next(ReservationHeld)
        await node.listenOn(f"{relay}/p2p-circuit")
        await held.addTimeout(LIMIT, reactor)
        return node

    async def echo(self, name: str, address: str, size: int = SIZE) -> None:
        """
        Dial a peer, and have bytes sent back.
        """
        if name == "ours":
            connection = await self.node().connect(address)
            await LimitedTasks(connection).echo(size)
            return
        dialer = self.foreign(name, "dial", address, "--do", f"ping,echo={size}")
        told = await dialer.line()
        assert told["ok"], told
        assert told["results"][f"echo={size}"]["bytes"] == size, told

    async def stop(self) -> None:
        """
        End all peers.
        """
        for peer in self._foreign:
            peer.transport.closeStdin()
        for node in self._nodes:
            await node.stopService()
        for peer in self._foreign:
            await peer.ended


class _Limited:
    """
    A connection whose streams are opened although it is limited.
    """

    def __init__(self, connection: IConnection) -> None:
        self._connection = connection

    def openStream(self, protocols: Any, factory: Any) -> Deferred[Any]:
        """
        Open a stream.
        """
        return self._connection.openStream(protocols, factory, allowLimited=True)


class LimitedTasks(Tasks):
    """
    The tasks, on a limited connection.
    """

    def __init__(self, connection: IConnection) -> None:
        super().__init__(_Limited(connection))  # type: ignore[arg-type]


def within(seconds: float, coroutine: Any) -> Deferred[Any]:
    """
    Let a coroutine take so long.
    """
    return Deferred.fromCoroutine(coroutine).addTimeout(seconds, reactor)


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_relay(command: Command, cell: tuple[str, str, str]) -> None:
    """
    The dialer reaches the listener through the relay, and gets its bytes back.
    """
    relay, listener, dialer = cell
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(relay))
        address = await within(LIMIT, cast.listener(listener, place))
        size = SIZES.get(relay, SIZE)
        await within(LIMIT, cast.echo(dialer, address, size))
    finally:
        await cast.stop()


@pytest.mark.parametrize("relay", RELAYS)
@pytest_twisted.ensureDeferred
async def test_renewed(command: Command, relay: str) -> None:
    """
    A reservation is renewed at any relay, and its address stays; it comes back after a
    loss of the connection.
    """
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(relay))
        node = await cast.reserved(place)
        before = node.addresses
        (holding,) = (
            each.port.holding
            for each in node.listeners
            if isinstance(each.port, CircuitPort)
        )
        lost: list[ReservationLost] = []
        node.events.subscribe(ReservationLost, lost.append)
        holding._happened(Event.DUE)
        assert holding.reserving.state is State.RENEWING
        pending = holding._pending
        assert pending is not None
        await pending.addTimeout(LIMIT, reactor)
        assert holding.held and not holding.reserving.failures, holding.problem
        assert (node.addresses, lost) == (before, [])
        held = node.events.next(ReservationHeld)
        for each in node.connections.to(holding.relay):
            await each.close()
        await held.addTimeout(LIMIT, reactor)
        # The relay may be reached at another of its addresses now.
        assert (len(node.addresses), len(lost)) == (len(before), 1)
        assert all(
            str(holding.relay) in str(each)
            for each in node.addresses
            if isRelayed(each)
        )
    finally:
        await cast.stop()


@implementer(IHalfCloseableProtocol)
class Counter(Protocol):
    """
    Answers with the number of received bytes when the peer has ended its half.
    """

    transport: Any
    count = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Count.
        """
        self.count += len(data)

    def readConnectionLost(self) -> None:
        """
        Answer.
        """
        self.transport.write(b"%d" % self.count)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing.
        """


class Sender(Protocol):
    """
    Sends bytes, ends its half, and waits for the answer.
    """

    transport: Any

    def __init__(self) -> None:
        self.answer = b""
        self.ended: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        """
        Send.
        """
        self.transport.write(bytes(SIZE))
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep the answer.
        """
        self.answer += data

    def connectionLost(self, reason: Any = None) -> None:
        """
        Report the answer.
        """
        self.ended.callback(self.answer)


@pytest.mark.parametrize("relay", RELAYS)
@pytest_twisted.ensureDeferred
async def test_halfClose(command: Command, relay: str) -> None:
    """
    The end of one half reaches the peer through any relay, and the answer comes back.
    """
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(relay))
        node = await cast.reserved(place)
        node.registry.register("/count/1.0.0", Factory.forProtocol(Counter))
        (address,) = (each for each in node.addresses if isRelayed(each))
        connection = await cast.node().connect(address).addTimeout(LIMIT, reactor)
        opening = connection.openStream(
            "/count/1.0.0", Factory.forProtocol(Sender), allowLimited=True
        )
        sender: Any = await opening.addTimeout(LIMIT, reactor)
        assert await sender.ended.addTimeout(LIMIT, reactor) == b"%d" % SIZE
    finally:
        await cast.stop()


@pytest.mark.parametrize("name", ["go", "js", "rust"])
@pytest_twisted.ensureDeferred
async def test_relayGone(command: Command, name: str) -> None:
    """
    When the relay is killed our address is withdrawn; when it is back, with the same
    key and port, our reservation is, too, and our peers reach us through it.
    """
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(name, "--seed", "7"))
        node = cast.node()
        held = node.events.next(ReservationHeld)
        await node.listenOn(f"{place}/p2p-circuit")
        await held.addTimeout(LIMIT, reactor)
        before = {str(each) for each in node.addresses if isRelayed(each)}
        lost = node.events.next(ReservationLost)
        (relay,) = cast._foreign
        relay.transport.signalProcess("KILL")
        await lost.addTimeout(LIMIT, reactor)
        assert not any(isRelayed(each) for each in node.addresses)
        await relay.ended
        held = node.events.next(ReservationHeld)
        port = Multiaddr(place).value("tcp")
        assert port is not None
        again = await within(LIMIT, cast.relay(name, "--seed", "7", "--port", port))
        assert again == place
        await held.addTimeout(LIMIT, reactor)
        # rust-libp2p has another port of QUIC now.
        assert set(map(str, node.addresses)) & before
        await within(LIMIT, cast.echo("ours", f"{place}/p2p-circuit/p2p/{node.peerID}"))
    finally:
        await cast.stop()


@pytest.mark.parametrize("name", RELAYS)
@pytest_twisted.ensureDeferred
async def test_overLimit(command: Command, name: str) -> None:
    """
    At the limit of bytes a circuit of any relay ends for its limit, not in order.
    """
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(name))
        address = await within(LIMIT, cast.listener("ours", place))
        connection = await cast.node().connect(address).addTimeout(LIMIT, reactor)
        assert connection.limited
        ended = connection.whenClosed()
        sending = Deferred.fromCoroutine(LimitedTasks(connection).echo(400_000))
        sending.addErrback(lambda _: None)
        await ended.addTimeout(LIMIT, reactor)
        assert connection.reason is not None
        connection.reason.trap(CircuitLimit)
    finally:
        await cast.stop()
