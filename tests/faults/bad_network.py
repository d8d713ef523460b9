# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.faults.test_network}, in a network namespace of its own: nodes
that reach each other through a network that loses, repeats, delays and swaps
packets, or is parted.

It prints a line after each step.
"""

from __future__ import annotations

import random
import sys
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

#: Seconds between two questions whether the peer lives.
KEEP_ALIVE = 1.0

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
    Two nodes, and what happens to them.
    """

    def __init__(self, reactor: Any, security: str, muxer: str) -> None:
        """
        @param security: what they speak.
        @param muxer: what they speak.
        """
        self._reactor = reactor
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

    async def connect(self) -> IConnection:
        """
        Connect, through the network.
        """
        (address,) = await self._server.whenListening()
        port = address.value("tcp")
        there = Multiaddr(f"/ip4/{tun.THERE}/tcp/{port}")
        return await self._client.connect(there.withPeer(self._server.peerID))

    async def stop(self) -> None:
        """
        Stop both nodes.
        """
        await self._client.stopService()
        await self._server.stopService()


async def transfer(connection: IConnection) -> None:
    """
    Have bytes echoed on several streams, and compare them.
    """
    await gatherResults(
        [Deferred.fromCoroutine(Tasks(connection).echo(SIZE)) for _ in range(4)],
        # The first failure is awaited; all fail when the network stays parted.
        consumeErrors=True,
    )


async def run(reactor: Any) -> None:
    """
    Do one step after the other.
    """
    network = Network(reactor)
    for security in ("noise", "tls"):
        for muxer in ("yamux", "mplex"):
            trial = Trial(reactor, security, muxer)
            network.loss, network.repeat, network.swap = 0.03, 0.03, 0.1
            connection = await trial.connect()
            await transfer(connection)
            print(f"{security} {muxer}: all came through", flush=True)
            network.loss = network.repeat = network.swap = 0.0
            transferring = Deferred.fromCoroutine(transfer(connection))
            network.parted = True
            await deferLater(reactor, KEEP_ALIVE / 2)
            network.parted = False
            await transferring
            print(f"{security} {muxer}: a short part did no harm", flush=True)
            transferring = Deferred.fromCoroutine(transfer(connection))
            transferring.addErrback(lambda reason: None)
            network.parted = True
            begin = reactor.seconds()
            await trial.closed
            took = reactor.seconds() - begin
            assert took < 6 * KEEP_ALIVE, took
            for reason in trial.reasons:
                assert reason.check(PeerUnresponsive), reason
            print(f"{security} {muxer}: a long one was noticed", flush=True)
            await transferring
            network.parted = False
            await trial.stop()
    print(min(network.counts.values()) > 20, network.counts)


def main(reactor: Any) -> Deferred[None]:
    """
    Run.
    """
    return Deferred.fromCoroutine(run(reactor))


if __name__ == "__main__":
    react(main, sys.argv[1:])
