# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.faults.test_network}, in a network namespace of its own: nodes
that reach each other through a network that loses, repeats, delays and swaps
packets, or is parted.

All pairs of a security protocol and a muxer take each step at the same time; a line is
printed for each of them afterwards.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure

from tests import tun
from tests.interop.ours import Tasks, serve
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import PeerUnresponsive
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.node import Node

#: Seconds between two pings of the keep-alive, and to their answers: more than TCP
#: needs to repeat a packet that is lost several times, on a slow machine.
KEEP_ALIVE = 5.0

#: Bytes of one transfer.
SIZE = 200_000


class Network:
    """
    What is between two nodes.

    @ivar loss: how many of the packets are lost: 0 to 1.
    @ivar repeat: how many come twice.
    @ivar swap: how many come later than those behind them.
    @ivar parted: whether none comes.
    @ivar counts: how many met with each.
    """

    loss = 0.0
    repeat = 0.0
    swap = 0.0
    parted = False

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._random = random.Random(1)
        self.counts = dict.fromkeys(("passed", "lost", "repeated", "swapped"), 0)
        self._interface = tun.Interface(reactor, self._take)

    def _take(self, packet: bytes) -> None:
        if self.parted or self._random.random() < self.loss:
            self.counts["lost"] += 1
            return
        delay = 0.002
        if self._random.random() < self.swap:
            self.counts["swapped"] += 1
            delay = 0.010
        self._reactor.callLater(delay, self._pass, packet)
        if self._random.random() < self.repeat:
            self.counts["repeated"] += 1
            self._reactor.callLater(delay + 0.001, self._pass, packet)

    def _pass(self, packet: bytes) -> None:
        self.counts["passed"] += 1
        self._interface.deliver(packet)


class Trial:
    """
    Two nodes, and a connection between them.

    @ivar closed: fires when both nodes have lost the connection.
    @ivar reasons: their reasons.
    """

    connection: IConnection

    def __init__(self, reactor: Any, security: str, muxer: str) -> None:
        """
        @param security: the security protocol of both nodes.
        @param muxer: the muxer of both nodes.
        """
        self.name = f"{security} {muxer}"
        self.closed: Deferred[None] = Deferred()
        self.reasons: list[Failure] = []

        def node(*listen: str) -> Node:
            return Node(
                reactor,
                listen=listen,
                security=[security],
                muxers=[
                    Yamux(reactor, keepAlive=KEEP_ALIVE)
                    if muxer == "yamux"
                    else Mplex(reactor)
                ],
                policy=ConnectionPolicy(keepAlive=KEEP_ALIVE),
            )

        self._server = node(f"/ip4/{tun.HERE}/tcp/0")
        self._client = node()
        for each in (self._server, self._client):
            serve(each)
            each.events.subscribe(ClosedConn, self._closed)
            each.startService()

    def _closed(self, event: ClosedConn) -> None:
        self.reasons.append(event.reason)
        if len(self.reasons) == 2:
            self.closed.callback(None)

    async def connect(self) -> None:
        """
        Connect, through the network.
        """
        (address,) = await self._server.whenListening()
        port = address.value("tcp")
        there = Multiaddr(f"/ip4/{tun.THERE}/tcp/{port}")
        peer = self._server.peerID
        self.connection = await self._client.connect(there.withPeer(peer))

    async def transfer(self) -> None:
        """
        Have bytes echoed on several streams, and compare them.
        """
        tasks = [Tasks(self.connection).echo(SIZE) for _ in range(4)]
        await gatherResults(
            [Deferred.fromCoroutine(task) for task in tasks],
            # The first failure is awaited; all fail when the network stays parted.
            consumeErrors=True,
        )

    async def notice(self) -> None:
        """
        Start to transfer, and wait until both nodes have noticed that the network is
        parted.
        """
        transferring = Deferred.fromCoroutine(self.transfer())
        transferring.addErrback(lambda reason: None)
        await self.closed
        for reason in self.reasons:
            assert reason.check(PeerUnresponsive), reason
        await transferring

    async def stop(self) -> None:
        """
        Stop both nodes.
        """
        await self._client.stopService()
        await self._server.stopService()


Step = Callable[[Trial], Coroutine[Deferred[Any], Any, None]]


async def run(reactor: Any) -> None:
    """
    Take one step after the other.
    """
    network = Network(reactor)
    trials = [
        Trial(reactor, security, muxer)
        for security in ("noise", "tls")
        for muxer in ("yamux", "mplex")
    ]

    def all(step: Step) -> Deferred[Any]:
        return gatherResults([Deferred.fromCoroutine(step(each)) for each in trials])

    def report(fact: str) -> None:
        for each in trials:
            print(f"{each.name}: {fact}", flush=True)

    network.loss, network.repeat, network.swap = 0.03, 0.03, 0.1
    await all(Trial.connect)
    await all(Trial.transfer)
    report("all came through")
    network.loss = network.repeat = network.swap = 0.0
    transferring = all(Trial.transfer)
    network.parted = True
    await deferLater(reactor, KEEP_ALIVE / 5)
    network.parted = False
    await transferring
    report("a short part did no harm")
    network.parted = True
    await all(Trial.notice)
    report("a long one was noticed")
    network.parted = False
    await all(Trial.stop)
    print(min(network.counts.values()) > 20, network.counts)


def main(reactor: Any) -> Deferred[None]:
    """
    Run.
    """
    return Deferred.fromCoroutine(run(reactor))


if __name__ == "__main__":
    react(main, sys.argv[1:])
