# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{python -m benchmarks.fleet}: nodes that share a peerstore in PostgreSQL, over a
network with a delay.

Each node is a process, which stores one peer after the other, each as soon as the one
before is in the database.  The table shows the transactions of all nodes in a second,
the seconds until a watching node knows a new peer, and the CPU time of a node for each
second.  The machine should be idle; all processes share it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure

from tests.peerstore.postgresql import startServer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import openPeerStore

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")

#: Seconds between two looks of the watching node.
LOOK = 0.02


class End(Protocol):
    """
    One end of a connection through the delaying network.
    """

    transport: Any
    other: End | None = None

    def __init__(self, reactor: Any, delay: float) -> None:
        """
        @param delay: seconds until the other end has what comes in here.
        """
        self._reactor = reactor
        self._delay = delay
        self._waiting: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on after the delay.
        """
        self._reactor.callLater(self._delay, self._pass, data)

    def _pass(self, data: bytes) -> None:
        if self.other is None:
            self._waiting.append(data)
        else:
            self.other.transport.write(data)

    def join(self, other: End) -> None:
        """
        Take the other end.
        """
        self.other, other.other = other, self
        for end in (self, other):
            for data in end._waiting:
                end._pass(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other end.
        """
        if self.other is not None:
            self.other.transport.loseConnection()


class Network(Factory):
    """
    Connects everybody with the server.
    """

    noisy = False

    def __init__(self, reactor: Any, socket: str, delay: float) -> None:
        """
        @param socket: the Unix socket of the server.
        @param delay: seconds for one direction.
        """
        self._reactor = reactor
        self._socket = socket
        self._delay = delay

    def buildProtocol(self, addr: object) -> End:
        """
        Connect with the server.
        """
        near, far = (End(self._reactor, self._delay) for _ in range(2))
        endpoint = UNIXClientEndpoint(self._reactor, self._socket)
        connectProtocol(endpoint, far).addCallback(lambda _: near.join(far))
        return near


async def delay(reactor: Any, socket: str, seconds: float) -> None:
    """
    Be the network, and print the port.
    """
    network = Network(reactor, socket, seconds)
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(network)
    print(port.getHost().port, flush=True)
    await Deferred()


async def opened(reactor: Any, dsn: str) -> Any:
    """
    Open the store, and wait until it has loaded; it tries again by itself.
    """
    store: Any = openPeerStore(reactor, f"postgresql:{dsn}")
    store.startService()
    while True:
        try:
            await store.whenLoaded()
        except ConfigurationError:
            await deferLater(reactor, LOOK)
        else:
            return store


async def write(reactor: Any, dsn: str, seconds: float) -> None:
    """
    Be a node that writes, and print how many peers it has stored.
    """
    store = await opened(reactor, dsn)
    print("ready", flush=True)
    sys.stdin.readline()
    end, count, spent = time.monotonic() + seconds, 0, time.process_time()
    while time.monotonic() < end:
        now = time.monotonic_ns()
        key = now.to_bytes(16, "big") + os.urandom(16)
        store.addAddresses(PeerID.fromBytes(b"\x12\x20" + key), [ADDRESS])
        try:
            await store.flush()
        except Exception:
            # Such as a lock that was waited for too long: the change waits.
            continue
        count += 1
    print(count, time.process_time() - spent, flush=True)
    await store.stopService()


async def watch(reactor: Any, dsn: str, seconds: float) -> None:
    """
    Be a node that only reads, and print the delays with which it has learnt of peers.
    """
    store = await opened(reactor, dsn)
    known = set(store.peers())
    print("ready", flush=True)
    sys.stdin.readline()
    end, delays = time.monotonic() + seconds, []
    while time.monotonic() < end:
        for peer in set(store.peers()) - known:
            known.add(peer)
            begun = int.from_bytes(peer.toBytes()[2:18], "big") / 1e9
            delays.append(time.monotonic() - begun)
        await deferLater(reactor, LOOK)
    print(median(delays) if delays else "nan", 0, flush=True)
    await store.stopService()


def measure(socket: str, nodes: int, trip: float, seconds: float) -> str:
    """
    Measure once.

    @param trip: the round trip over the network, in seconds.
    @return: a row of the table.
    """

    def run(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fleet", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    network = run("delay", socket, trip / 2)
    dsn = f"host=127.0.0.1 port={line(network)} user=test dbname=postgres"
    fleet = [run("write", dsn, seconds) for _ in range(nodes)]
    watching = run("watch", dsn, seconds)
    for each in (*fleet, watching):
        line(each)
    for each in (*fleet, watching):
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    counts = [line(each).split() for each in fleet]
    (learnt, _) = line(watching).split()
    for each in (*fleet, watching):
        each.wait()
    network.kill()
    network.wait()
    rate = sum(int(count) for count, _ in counts) / seconds
    busy = sum(float(spent) for _, spent in counts) / nodes / seconds
    return (
        f"{nodes:5} {trip * 1000:6.0f} ms {rate:8.1f} /s {float(learnt):8.3f} s"
        f" {busy:8.1%}"
    )


def rows(options: argparse.Namespace) -> Iterator[str]:
    """
    Measure all sizes, each with each round trip.
    """
    server = startServer()
    try:
        for trip in options.trips:
            for nodes in options.nodes:
                socket = f"{server.folder}/.s.PGSQL.5432"
                yield measure(socket, nodes, trip / 1000, options.seconds)
    finally:
        server.close()


def main(argv: Sequence[str]) -> None:
    """
    Run one of the parts.
    """
    parts = {"delay": delay, "write": write, "watch": watch}
    if argv and argv[0] in parts:
        part, place, seconds = parts[argv[0]], argv[1], float(argv[2])
        react(lambda reactor: Deferred.fromCoroutine(part(reactor, place, seconds)))
    parser = argparse.ArgumentParser("benchmarks.fleet", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 5, 10, 20])
    parser.add_argument("--trips", type=float, nargs="+", default=[0.0, 1.0, 10.0])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(argv)
    print("nodes     trip       turns    learnt   CPU of a node")
    for row in rows(options):
        print(row, flush=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU of all processes: {spent.ru_utime + spent.ru_stime:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
