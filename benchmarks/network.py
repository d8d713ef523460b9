# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A link with a delay and losses, in a network namespace of its own.

C{python -m benchmarks.network DELAY LOSS} is the link, between the two addresses of
L{tests.tun}.  It ends with its standard input.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from twisted.internet.stdio import StandardIO
from twisted.internet.task import react

from benchmarks.peers.orders import Orders, tell
from tests import tun
from tests.interop.process import ForeignPeer

__all__ = ["Network"]

#: Bytes of a packet: large, so that this program is not what limits the link.
MTU = 9000

#: Packets that wait for this program.
QUEUE = 20_000

#: Whether a packet may come from one of our own addresses.
ACCEPT_LOCAL = Path("/proc/sys/net/ipv4/conf/all/accept_local")

#: Let packets to the real address of the listener take the link, too: without this, a
#: dialer that has learned that address would get past the link.
ROUTES = (
    "ip rule add pref 1 iif tun0 lookup local",
    f"ip rule add pref 2 to {tun.HERE} lookup 100",
    f"ip route add {tun.HERE} dev tun0 src {tun.HERE} table 100",
    "ip rule add pref 3 lookup local",
    "ip rule del pref 0",
)


class Network:
    """
    The link, seen from outside.

    @ivar within: a command that runs another one beside the link.
    """

    def __init__(self, process: ForeignPeer) -> None:
        self._process = process
        pid = str(process.transport.pid)
        self.within = (
            *("nsenter", "--target", pid, "--user", "--net"),
            *("--preserve-credentials", "--"),
        )

    @classmethod
    async def start(cls, reactor: Any, delay: float, loss: float) -> Network:
        """
        Make a link.

        @param delay: seconds of a round trip.
        @param loss: how many of the packets are lost: 0 to 1.
        """
        command = (*tun.NAMESPACE, sys.executable, "-m", "benchmarks.network")
        process = ForeignPeer.start(reactor, command, str(delay), str(loss))
        await process.line()
        return cls(process)

    async def stop(self) -> None:
        """
        Take it away.
        """
        await self._process.stop()


class _Link:
    """
    Holds packets back, and loses some.
    """

    def __init__(self, reactor: Any, delay: float, loss: float) -> None:
        """
        @param delay: seconds that a packet takes.
        @param loss: how many are lost.
        """
        self._reactor = reactor
        self._delay = delay
        self._loss = loss
        self._random = random.Random(1)
        self._travelling: deque[tuple[float, bytes]] = deque()
        self._interface = tun.Interface(reactor, self._send, MTU, QUEUE)
        ACCEPT_LOCAL.write_text("1")
        for command in ROUTES:
            subprocess.run(command.split(), check=True)

    def _send(self, packet: bytes) -> None:
        if self._random.random() < self._loss:
            return
        self._travelling.append((self._reactor.seconds() + self._delay, packet))
        if len(self._travelling) == 1:
            self._reactor.callLater(self._delay, self._arrive)

    def _arrive(self) -> None:
        """
        Hand on what is due, and come again for the rest.
        """
        travelling, now = self._travelling, self._reactor.seconds()
        while travelling and travelling[0][0] <= now:
            self._interface.deliver(travelling.popleft()[1])
        if travelling:
            self._reactor.callLater(travelling[0][0] - now, self._arrive)


async def _run(reactor: Any, delay: str, loss: str) -> None:
    """
    Be the link.
    """
    _Link(reactor, float(delay) / 2, float(loss))
    orders = Orders({})
    StandardIO(orders)
    tell({"address": tun.THERE})
    await orders.ended


if __name__ == "__main__":
    react(_run, sys.argv[1:])
