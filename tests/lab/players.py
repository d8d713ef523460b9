# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peers that meet in a laboratory: a relay, a listener that reserves a place there,
and a dialer, each of ours or of another implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from tests.interop.peers.build import available, build
from tests.interop.process import ForeignPeer
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.quic.backends import AUTO
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService

__all__ = ["PATHS", "ForeignPlayer", "OurPlayer", "Player", "commandOf", "player"]

#: The end of an address of each transport.
PATHS = {"tcp": "tcp/4001", "quic": "udp/4001/quic-v1"}


class Player(Protocol):
    """
    One peer.

    @ivar started: whether it has a part.
    @ivar relayedAt: the time of its first relayed connection as a dialer.
    @ivar directAt: the time of its first direct connection to the peer that it has
        dialed; None without one.
    @ivar direct: fires when there is such a connection.
    @ivar over: fires when its punch, as a listener, has ended, whatever the outcome.
    @ivar tries: the number of exchanges that it has begun as a listener; None if it
        does not say.
    """

    started: bool
    relayedAt: float
    directAt: float | None
    direct: Deferred[None]
    over: Deferred[None]
    tries: int | None

    async def relay(self) -> dict[str, str]:
        """
        Be a relay.

        @return: its address for each transport.
        """

    async def listen(self, relay: str) -> str:
        """
        Listen at a relay.

        @return: the address there.
        """

    async def dial(self, circuit: str) -> None:
        """
        Dial a peer through its relay.
        """

    async def stop(self) -> None:
        """
        Stop.
        """


class OurPlayer:
    """
    A node of ours; as L{Player}.

    @ivar node: the node, once it has a part.
    """

    node: Node

    def __init__(
        self,
        reactor: Any,
        space: Space,
        host: str,
        transport: str,
        backend: str = AUTO,
    ) -> None:
        """
        @param backend: the backend of QUIC.
        """
        self._reactor = reactor
        self._space = space
        self._host = host
        self._transport = transport
        self._backend = backend
        self.started = False
        self.relayedAt = 0.0
        self.directAt: float | None = None
        self.direct: Deferred[None] = Deferred()
        self.over: Deferred[None] = Deferred()
        self.tries: int | None = 0

    async def _start(self, transports: list[str], **options: Any) -> Node:
        node = self.node = Node(
            ReactorIn(self._reactor, self._space),
            listen=[f"/ip4/{self._host}/{PATHS[each]}" for each in transports],
            transports=[*map(self._provider, transports), "relay"],
            **options,
        )
        self.started = True
        node.registry.register(PROTOCOL_ID, EchoFactory())
        # The sockets of QUIC are made by the transport itself.
        with self._space.entered():
            node.startService()
        await node.whenListening()
        return node

    def _provider(self, transport: str) -> str | QuicProvider:
        return QuicProvider(self._backend) if transport == "quic" else transport

    async def relay(self) -> dict[str, str]:
        node = await self._start([*PATHS], services=[RelayService()])
        return {
            transport: next(str(each) for each in node.addresses if path in str(each))
            for transport, path in PATHS.items()
        }

    async def listen(self, relay: str) -> str:
        node = await self._start([self._transport])
        node.events.subscribe(DirectConnection, self._punched)
        node.events.subscribe(HolePunchFailed, self._punched)
        held = node.events.next(ReservationHeld)
        await node.listenOn(f"{relay}/p2p-circuit")
        await held
        path = f"{PATHS[self._transport]}/"
        return next(
            str(each)
            for each in node.addresses
            if isRelayed(each) and path in str(each)
        )

    def _punched(self, event: DirectConnection | HolePunchFailed) -> None:
        self.tries = event.attempts
        if not self.over.called:
            self.over.callback(None)

    async def dial(self, circuit: str) -> None:
        node = await self._start([self._transport])
        place, _, peer = circuit.partition("/p2p-circuit/p2p/")
        node.events.subscribe(
            OpenedConn, self._opened, lambda event: str(event.peer) == peer
        )
        # The relay has to say from where it sees this host.
        await node.identify(place)
        await node.connect(circuit, DialOptions(allowLimited=True))

    def _opened(self, event: OpenedConn) -> None:
        now = self._reactor.seconds()
        if isRelayed(event.remoteAddress):
            self.relayedAt = now
        elif not self.direct.called:
            self.directAt = now
            self.direct.callback(None)

    async def stop(self) -> None:
        await self.node.stopService()


class ForeignPlayer:
    """
    A peer of another implementation; as L{Player}.

    @ivar process: its program, once it has a part.
    """

    process: ForeignPeer

    def __init__(
        self,
        reactor: Any,
        space: Space,
        host: str,
        transport: str,
        command: list[str],
    ) -> None:
        self._reactor = reactor
        self._space = space
        self._command = command
        self._path = f"{PATHS[transport]}/"
        self._options = ["--transport", transport, "--host", host, "--port", "4001"]
        self._dialed = ""
        self.started = False
        self.relayedAt = 0.0
        self.directAt: float | None = None
        self.direct: Deferred[None] = Deferred()
        self.over: Deferred[None] = Deferred()
        self.tries: int | None = None

    def _start(self, *arguments: str) -> ForeignPeer:
        self.started = True
        self.process = ForeignPeer.start(
            ReactorIn(self._reactor, self._space),
            self._command,
            "punch",
            *arguments,
            *self._options,
        )
        return self.process

    async def relay(self) -> dict[str, str]:
        hello = await self._start("relay").line(lambda line: "addrs" in line)
        return {
            transport: next(each for each in hello["addrs"] if path in each)
            for transport, path in PATHS.items()
        }

    async def listen(self, relay: str) -> str:
        process = self._start("listen", relay)
        hello = await process.line(
            lambda line: any(self._fits(each) for each in line.get("addrs", ()))
        )
        process.each(self._heard)
        return next(str(each) for each in hello["addrs"] if self._fits(each))

    def _fits(self, address: str) -> bool:
        """
        Check whether an address leads through the relay by the transport.
        """
        return "p2p-circuit" in address and self._path in address

    async def dial(self, circuit: str) -> None:
        self._dialed = circuit.rpartition("/")[2]
        process = self._start("dial", circuit)
        await process.event("connected", peer=self._dialed, relayed=True)
        self.relayedAt = self._reactor.seconds()
        process.each(self._heard)

    def _heard(self, line: dict[str, Any]) -> None:
        match line:
            case {"event": "connected", "relayed": False, "peer": self._dialed}:
                if not self.direct.called:
                    self.directAt = self._reactor.seconds()
                    self.direct.callback(None)
            case {"event": "attempt", "number": number}:
                self.tries = number
            case {"event": "punched"}:
                if not self.over.called:
                    self.over.callback(None)

    async def stop(self) -> None:
        await self.process.stop()


@cache
def commandOf(name: str) -> list[str] | str:
    """
    Return the command of a foreign peer, or the reason why there is none.
    """
    return available(name) or build(name)


def player(name: str, backend: str = AUTO) -> Callable[[Any, Space, str, str], Player]:
    """
    Return the kind of a player.

    @param name: C{ours}, C{go} or C{rust}.
    @param backend: the backend of QUIC of ours.
    """
    if name == "ours":
        return partial(OurPlayer, backend=backend)

    def foreign(reactor: Any, space: Space, host: str, transport: str) -> Player:
        command = commandOf(name)
        if isinstance(command, str):
            raise AssertionError(f"no {name} peer: {command}")
        return ForeignPlayer(reactor, space, host, transport, command)

    return foreign
