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

from tests.interop.ours import Tasks, serve
from tests.interop.process import ForeignPeer
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import CircuitLimit
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.relay.events import ReservationHeld, ReservationLost
from twisted_libp2p.relay.service import RelayService

Command = Callable[[str], list[str]]

#: Bytes that every relay passes on in each direction; some count both together.
SIZE = 40_000

#: The relay, the listener and the dialer of each cell.
CELLS = [
    (relay, listener, dialer)
    for relay in ("ours", "go", "js")
    for listener in ("ours", "go", "js")
    for dialer in ("ours", "go", "js")
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

    async def relay(self, name: str) -> str:
        """
        Start a relay.

        @return: its address.
        """
        if name == "ours":
            node = self.node(services=[RelayService()])
            await node.whenListening()
            return str(node.addresses[0])
        hello = await self.foreign(name, "listen", "--relay-service").line()
        # go-libp2p names /p2p-circuit among its addresses.
        return next(str(each) for each in hello["addrs"] if "p2p-circuit" not in each)

    async def listener(self, name: str, relay: str) -> str:
        """
        Start a peer that listens at a relay.

        @return: its address there.
        """
        if name == "ours":
            node = self.node()
            held = node.events.next(ReservationHeld)
            await node.listenOn(f"{relay}/p2p-circuit")
            await held
            addresses = [str(each) for each in node.addresses]
        else:
            hello = await self.foreign(name, "listen", "--circuit", relay).line(
                lambda line: "addrs" in line
            )
            addresses = hello["addrs"]
        return next(each for each in addresses if f"{relay}/p2p-circuit" in each)

    async def echo(self, name: str, address: str) -> None:
        """
        Dial a peer, and have bytes sent back.
        """
        if name == "ours":
            connection = await self.node().connect(address)
            await LimitedTasks(connection).echo(SIZE)
            return
        dialer = self.foreign(name, "dial", address, "--do", f"ping,echo={SIZE}")
        told = await dialer.line()
        assert told["ok"], told
        assert told["results"][f"echo={SIZE}"]["bytes"] == SIZE, told

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
        await within(LIMIT, cast.echo(dialer, address))
    finally:
        await cast.stop()


@pytest.mark.parametrize("name", ["go", "js"])
@pytest_twisted.ensureDeferred
async def test_relayGone(command: Command, name: str) -> None:
    """
    When the relay is gone our address is withdrawn.
    """
    cast = Cast(command)
    try:
        place = await within(LIMIT, cast.relay(name))
        node = cast.node()
        held = node.events.next(ReservationHeld)
        await node.listenOn(f"{place}/p2p-circuit")
        await held.addTimeout(LIMIT, reactor)
        lost = node.events.next(ReservationLost)
        (relay,) = cast._foreign
        relay.transport.signalProcess("KILL")
        await lost.addTimeout(LIMIT, reactor)
        assert not any(isRelayed(each) for each in node.addresses)
    finally:
        await cast.stop()


@pytest.mark.parametrize("name", ["ours", "go", "js"])
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
