# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Measure servers of a DHT side by side: ours, and that of go-libp2p-kad-dht.

From the command line, at the root of the repository::

    python -m benchmarks.kademliapeers [--rounds N] [ours go]

The same nodes of ours ask each server in turn.  They are servers themselves: each
answer names 20 peers, and a lookup of the measured server asks them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from statistics import median
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater, react
from twisted.protocols.basic import LineOnlyReceiver

from tests.account import cpuSeconds, residentBytes
from tests.interop.peers.build import build
from tests.interop.process import ForeignPeer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.client import Client
from twisted_libp2p.dht.events import TableChanged
from twisted_libp2p.dht.messages import Message, MessageType, NamedPeer
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node

__all__ = ["Contest", "main"]

PREFIX = "/test"

#: Nodes that ask, requests of each, and requests of each at a time.
CROWD, REQUESTS, AT_ONCE = 30, 150, 2

#: Announced keys, and keys of one node at a time: a server of ours takes 200 requests
#: of a peer at once, and 100 in a second after that.
KEYS, KEYS_AT_ONCE, PAUSE = 10_000, 150, 2.0

#: Lookups of the server itself.
LOOKUPS = 100


def node(services: Sequence[KademliaDHT]) -> Node:
    """
    Start a node on loopback.
    """
    made = Node(
        reactor,
        listen=["/ip4/127.0.0.1/tcp/0"],
        transports=["tcp"],
        limits=Limits.none(),
        services=services,
        reachability=False,
    )
    made.startService()
    return made


class _Orders(LineOnlyReceiver):
    """
    The standard input and output of a server of ours, as those of the go server.
    """

    delimiter = b"\n"

    def __init__(self, dht: KademliaDHT) -> None:
        self._dht = dht
        self.over: Deferred[None] = Deferred()

    def say(self, **facts: Any) -> None:
        """
        Write a line.
        """
        self.sendLine(json.dumps(facts).encode())

    def lineReceived(self, line: bytes) -> None:
        """
        Look up a peer.
        """
        _, peer = line.decode().split()
        self._dht.locate(PeerID.of(peer)).addBoth(lambda _: self.say(ok=False))

    def connectionLost(self, reason: Any = None) -> None:
        """
        End.
        """
        self.over.callback(None)


async def serve() -> None:
    """
    Be a server of ours, until standard input ends.
    """
    dht = KademliaDHT(PREFIX, "server")
    made = node([dht])
    (address,) = await made.whenListening()
    orders = _Orders(dht)
    StandardIO(orders, reactor=reactor)
    orders.say(peerId=str(made.peerID), addrs=[str(address)], pid=os.getpid())
    made.events.subscribe(
        TableChanged, lambda event: orders.say(event="entered", peer=str(event.peer))
    )
    await orders.over
    await made.stopService()


class Contest:
    """
    One server, and the nodes that ask it.

    @ivar figures: the measured values by name.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = ForeignPeer.start(reactor, command)
        self._nodes: list[Node] = []
        self._clients: list[Client] = []
        self.figures: dict[str, float] = {}

    async def measure(self) -> None:
        """
        Measure all.
        """
        hello = await self._process.line(lambda line: "addrs" in line)
        self._server, pid = PeerID.of(hello["peerId"]), hello["pid"]
        for _ in range(CROWD):
            made = node([KademliaDHT(PREFIX, "server")])
            self._nodes.append(made)
            await made.whenListening()
            await made.connect(hello["addrs"][0])
            await self._process.event("entered", peer=str(made.peerID))
            self._clients.append(Client(made, f"{PREFIX}/kad/1.0.0"))
        await self._requests(10)
        await deferLater(reactor, PAUSE)
        began, cpu = self._now(), cpuSeconds(pid)
        await self._requests(REQUESTS)
        count = CROWD * REQUESTS
        self.figures["requests/s"] = count / (self._now() - began)
        self.figures["us of CPU for a request"] = (cpuSeconds(pid) - cpu) * 1e6 / count
        before = residentBytes(pid)
        await self._announcements()
        grown = residentBytes(pid) - before
        self.figures["MiB of 10,000 provider records"] = grown / (1 << 20)
        cpu, began = cpuSeconds(pid), self._now()
        for _ in range(LOOKUPS):
            stranger = Identity.generate().peerID
            self._process.transport.write(b"find %s\n" % str(stranger).encode())
            await self._process.line(lambda line: "ok" in line)
        self.figures["ms of CPU for a lookup"] = (cpuSeconds(pid) - cpu) * 1e3 / LOOKUPS
        self.figures["ms for a lookup"] = (self._now() - began) * 1e3 / LOOKUPS

    def _now(self) -> float:
        seconds: float = reactor.seconds()
        return seconds

    async def _requests(self, count: int) -> None:
        """
        Let all nodes ask for the peers nearest to random keys.
        """
        asking: list[Deferred[Any]] = []
        for client in self._clients:
            slots = DeferredSemaphore(AT_ONCE)
            asking += [slots.run(self._ask, client) for _ in range(count)]
        await gatherResults(asking, consumeErrors=True)

    def _ask(self, client: Client) -> Deferred[Message]:
        key = b"\x12\x20" + os.urandom(32)
        return client.ask(self._server, Message(MessageType.FIND_NODE, key))

    async def _announcements(self) -> None:
        """
        Let the nodes announce keys.
        """
        left = KEYS
        while left:
            announcing: list[Deferred[Any]] = []
            for made, client in zip(self._nodes, self._clients, strict=True):
                slots = DeferredSemaphore(AT_ONCE)
                own = NamedPeer(
                    made.peerID, (Multiaddr.of(made.addresses[0]).withoutPeer(),)
                )
                for _ in range(min(KEYS_AT_ONCE, left)):
                    left -= 1
                    digest = sha256(b"key %d" % left).digest()
                    message = Message(
                        MessageType.ADD_PROVIDER, b"\x12\x20" + digest, providers=[own]
                    )
                    announcing.append(slots.run(client.announce, self._server, message))
            await gatherResults(announcing, consumeErrors=True)
            await deferLater(reactor, PAUSE)

    async def end(self) -> None:
        """
        Stop all.
        """
        for client in self._clients:
            client.stop()
        for each in self._nodes:
            await each.stopService()
        await self._process.stop()


def _command(name: str) -> list[str]:
    """
    Return the command of a server.
    """
    if name == "ours":
        return [sys.executable, "-m", "benchmarks.kademliapeers", "serve"]
    return [*build(name), "kad", PREFIX]


async def run(rounds: int, names: Sequence[str]) -> None:
    """
    Measure the servers in turn, and print the medians as lines of JSON.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            contest = Contest(_command(name))
            try:
                await contest.measure()
            finally:
                await contest.end()
            found[name].append(contest.figures)
    for name, figures in found.items():
        middle = {
            key: round(median(each[key] for each in figures), 2) for key in figures[0]
        }
        print(json.dumps({"server": name, **middle}), flush=True)


def main() -> None:
    """
    Run from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kademliapeers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("names", nargs="*", default=["ours", "go"])
    options = parser.parse_args()
    if options.names == ["serve"]:
        react(lambda _: Deferred.fromCoroutine(serve()))
    else:
        react(lambda _: Deferred.fromCoroutine(run(options.rounds, options.names)))


if __name__ == "__main__":
    main()
