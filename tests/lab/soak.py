# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A crowd behind routers: peers that find each other through a relay, punch holes, send
bytes, and part again, while their routers restart.

C{python -m tests.lab.soak SECONDS} plays it with 100 peers behind 10 routers in one
process.  It ends with status 1 if too few meetings succeed, or if the process grows.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater, react

from tests.account import openFiles, residentBytes
from tests.lab.case import INSIDE, missing
from tests.lab.lab import Lab, Router
from tests.lab.nat import NAT, Filtering, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.wire import Link
from tests.tun import NAMESPACE
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService

ROUTERS, PEERS = 10, 10

#: Meetings at once, and seconds for each: where no hole can be punched three exchanges
#: take 15.
AT_ONCE, MEETING = 8, 60.0

#: Seconds between two restarts of routers, and until the peers behind one are reached
#: again.
RESTART, RECOVERY = 30.0, 30.0

#: The bytes that a meeting sends there and back.
SIZE = 10_000

#: The part of the other meetings that has to succeed.
WANTED = 0.9

#: By how much the process may grow from the second third of the time to the last: the
#: allocator of Python gives memory back in large pieces.
GROWTH = 1.3

#: Most routers are usual ones.
KINDS = [
    NAT(Mapping.TRANSLATING),
    NAT(),
    NAT(Mapping.TRANSLATING, Filtering.ADDRESS),
    NAT(resets=True),
    NAT(Mapping.SYMMETRIC),
]


class _Echoes(Protocol):
    """
    Sends bytes, and waits until they have come back.
    """

    transport: Any

    def __init__(self) -> None:
        self.left = SIZE
        self.done: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Send.
        """
        self.transport.write(bytes(SIZE))

    def dataReceived(self, data: bytes) -> None:
        """
        Count.
        """
        self.left -= len(data)
        if not self.left:
            self.transport.loseConnection()
            self.done.callback(None)


class Crowd:
    """
    All peers.

    @ivar met: the number of meetings that have succeeded.
    @ivar direct: those with a direct connection.
    @ivar excused: those that have failed since a router had restarted.
    @ivar failed: the errors of the others.
    """

    def __init__(self, clock: Any, seed: int = 0) -> None:
        self._clock = clock
        self._random = Random(seed)
        self._lab = Lab(clock, seed)
        self._routers: list[Router] = []
        self._nodes: list[Node] = []
        self._circuits: list[str] = []
        self._restarted: dict[int, float] = {}
        self.met = self.direct = self.excused = 0
        self.failed: list[str] = []

    def _node(self, space: Any, address: str, **options: Any) -> Node:
        node = Node(
            ReactorIn(self._clock, space),
            listen=[f"/ip4/{address}/tcp/4001"],
            transports=["tcp", "relay"],
            random=self._random.random,
            **options,
        )
        node.registry.register(PROTOCOL_ID, EchoFactory())
        node.startService()
        return node

    async def begin(self) -> None:
        """
        Start all of them.
        """
        limits = RelayLimits(reservationsPerAddress=2 * PEERS)
        site = self._lab.site("relay", "45.45.0.10", link=Link(0.02))
        self._relay = self._node(
            site,
            "45.45.0.10",
            services=[RelayService(limits)],
            # All peers of a router have one address.
            limits=replace(Limits.scaled(), exempt=("45.46.0.0/16",)),
        )
        await self._relay.whenListening()
        place = self._relay.addresses[0]
        for number in range(ROUTERS):
            router = self._lab.router(
                f"home{number}",
                f"45.46.{number}.1",
                f"10.{number}.0",
                KINDS[number % len(KINDS)],
                link=Link(0.02),
            )
            self._routers.append(router)
            for index in range(PEERS):
                space = self._lab.host(router)
                node = self._node(space, f"10.{number}.0.{index + 2}")
                held = node.events.next(ReservationHeld)
                await node.listenOn(f"{place}/p2p-circuit")
                await held
                self._nodes.append(node)
                self._circuits.append(str(next(filter(isRelayed, node.addresses))))

    async def play(self, seconds: float) -> list[int]:
        """
        Let peers meet for some time.

        @return: the bytes of the process, every few seconds.
        """
        until = self._clock.seconds() + seconds
        sizes: list[int] = []
        works = [ensureDeferred(self._meetings(until)) for _ in range(AT_ONCE)]
        works.append(ensureDeferred(self._restarts(until)))
        while self._clock.seconds() < until:
            await deferLater(self._clock, seconds / 30)
            gc.collect()
            sizes.append(residentBytes(os.getpid()))
            print(
                f"{until - self._clock.seconds():5.0f} s left: {self.met} met,"
                f" {self.direct} directly, {self.excused} not after a restart,"
                f" {len(self.failed)} failed;"
                f" {sizes[-1] >> 20} MiB, {openFiles(os.getpid())} files",
                flush=True,
            )
        for each in works:
            await each
        return sizes

    async def _restarts(self, until: float) -> None:
        while self._clock.seconds() + RESTART < until:
            await deferLater(self._clock, RESTART)
            number = self._random.randrange(len(self._routers))
            router = self._routers[number]
            router.become(router.nat)
            self._restarted[number] = self._clock.seconds()

    async def _meetings(self, until: float) -> None:
        while self._clock.seconds() < until:
            one, other = self._random.sample(range(len(self._nodes)), 2)
            dialer, listener = self._nodes[one], self._nodes[other]
            meeting = Deferred.fromCoroutine(
                self._meet(dialer, listener, self._circuits[other])
            )
            try:
                await meeting.addTimeout(MEETING, self._clock)
            except (Libp2pError, TimeoutError) as error:
                if self._isExcused(one // PEERS, other // PEERS):
                    self.excused += 1
                else:
                    self.failed.append(f"{type(error).__name__}: {error}")
            else:
                self.met += 1
            for each in (dialer, listener):
                peer = (listener if each is dialer else dialer).peerID
                for connection in each.connections.to(peer):
                    await connection.close()

    def _isExcused(self, *routers: int) -> bool:
        """
        Return whether one of the routers has restarted a moment ago.
        """
        now = self._clock.seconds()
        return any(
            now - self._restarted.get(each, -2 * RECOVERY) < RECOVERY + MEETING
            for each in routers
        )

    async def _meet(self, dialer: Node, listener: Node, circuit: str) -> None:
        ended: Deferred[None] = Deferred()

        def end(event: Any) -> None:
            if event.peer == dialer.peerID and not ended.called:
                ended.callback(None)

        subscriptions = [
            listener.events.subscribe(each, end)
            for each in (DirectConnection, HolePunchFailed)
        ]
        try:
            options = DialOptions(allowLimited=True)
            await dialer.connect(circuit, options)
            echoes = _Echoes()
            await dialer.openStream(
                listener.peerID,
                PROTOCOL_ID,
                Factory.forProtocol(lambda: echoes),
                options,
            )
            await echoes.done
            await ended
            if any(not each.limited for each in dialer.connections.to(listener.peerID)):
                self.direct += 1
        finally:
            for each in subscriptions:
                each.cancel()

    async def end(self) -> None:
        """
        Stop all of them.
        """
        for each in (*self._nodes, self._relay):
            await each.stopService()
        self._lab.close()


async def soak(seconds: float) -> None:
    """
    Play, and judge.

    @raise SystemExit: too few have met, or the process has grown.
    """
    crowd = Crowd(reactor)
    await crowd.begin()
    try:
        sizes = await crowd.play(seconds)
    finally:
        await crowd.end()
    for each in sorted(set(crowd.failed)):
        print(crowd.failed.count(each), each)
    third = len(sizes) // 3
    before, after = max(sizes[third : 2 * third]), max(sizes[2 * third :])
    share = crowd.met / max(crowd.met + len(crowd.failed), 1)
    print(
        f"{share:.1%} of the meetings succeeded; {before >> 20} MiB in the second third"
        f" of the time, {after >> 20} MiB in the last"
    )
    if share < WANTED or after > GROWTH * before:
        raise SystemExit("too few have met, or the process has grown")


def main() -> None:
    """
    Play in namespaces of our own.
    """
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    if not os.environ.get(INSIDE):
        reason = missing()
        if reason is not None:
            raise SystemExit(reason)
        os.environ[INSIDE] = "1"
        python = [sys.executable, "-m", "tests.lab.soak", *sys.argv[1:]]
        os.execvp(NAMESPACE[0], [*NAMESPACE, *python])
    react(lambda _: ensureDeferred(soak(seconds)))


if __name__ == "__main__":
    main()
