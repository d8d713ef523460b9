# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A link with a delay and losses, in a network namespace of its own.

C{python -m benchmarks.network DELAY LOSS} is the link: an interface (TUN) whose
other side is this program.  Whoever dials L{THERE} reaches L{HERE}, as source and
destination of each packet are swapped, which leaves its checksums right.  It ends
with its standard input.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
from collections import deque
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure
from zope.interface import implementer

from benchmarks.peers.orders import Orders, tell
from tests.interop.process import ForeignPeer

__all__ = ["HERE", "THERE", "Network", "missing"]

#: Where to listen, and where to dial.
HERE, THERE = "10.9.0.1", "10.9.0.2"

#: Bytes of a packet: large, so that this program is not what limits the link.
MTU = 9000

#: Packets that wait for this program.
QUEUE = 20_000

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


def missing() -> str | None:
    """
    Say why there can be no such link here.

    @return: None if there can.
    """
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    probe = [*NAMESPACE, "test", "-w", "/dev/net/tun"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "there may be no namespaces or interfaces of our own"
    return None


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
        command = (*NAMESPACE, sys.executable, "-m", "benchmarks.network")
        process = ForeignPeer.start(reactor, command, str(delay), str(loss))
        await process.line()
        return cls(process)

    async def stop(self) -> None:
        """
        Take it away.
        """
        await self._process.stop()


@implementer(IReadDescriptor)
class _Interface:
    """
    The side of the interface that this program is.
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
        self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(self._file, _TUNSETIFF, request)
        for command in (
            "ip link set lo up",
            f"ip link set tun0 mtu {MTU} txqueuelen {QUEUE} up",
            f"ip address add {HERE}/24 dev tun0",
        ):
            subprocess.run(command.split(), check=True)
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        Give what is read.
        """
        return self._file

    def logPrefix(self) -> str:
        """
        Give a name.
        """
        return "link"

    def connectionLost(self, reason: Failure) -> None:
        """
        The program ends.
        """
        os.close(self._file)

    def doRead(self) -> Any:
        """
        Take the packets that there are.
        """
        due = self._reactor.seconds() + self._delay
        try:
            while True:
                packet = os.read(self._file, MTU)
                if packet[0] >> 4 == 4 and self._random.random() >= self._loss:
                    self._send(due, packet)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST

    def _send(self, due: float, packet: bytes) -> None:
        swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
        self._travelling.append((due, swapped))
        if len(self._travelling) == 1:
            self._reactor.callLater(self._delay, self._arrive)

    def _arrive(self) -> None:
        """
        Hand on what is due, and come again for the rest.
        """
        travelling, now = self._travelling, self._reactor.seconds()
        while travelling and travelling[0][0] <= now:
            os.write(self._file, travelling.popleft()[1])
        if travelling:
            self._reactor.callLater(travelling[0][0] - now, self._arrive)


async def _run(reactor: Any, delay: str, loss: str) -> None:
    """
    Be the link.
    """
    _Interface(reactor, float(delay) / 2, float(loss))
    orders = Orders({})
    StandardIO(orders)
    tell({"address": THERE})
    await orders.ended


if __name__ == "__main__":
    react(_run, sys.argv[1:])
