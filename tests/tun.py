# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A network between two addresses of this machine, made by a program.

It is an interface (TUN) in a network namespace, whose other side is the program that
makes it.  Whoever dials L{THERE} reaches L{HERE}: source and destination of each packet
are swapped, which leaves its checksums right.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["HERE", "NAMESPACE", "THERE", "Interface", "missing"]

#: Where to listen, and where to dial.
HERE, THERE = "10.9.0.1", "10.9.0.2"

#: Runs a program where it may make an interface.
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000


def missing(*programs: str) -> str | None:
    """
    Say why there can be no such network here.

    @param programs: what else is needed.
    @return: None if there can.
    """
    for program in ("unshare", "ip", *programs):
        if shutil.which(program) is None:
            return f"there is no {program}"
    probe = [*NAMESPACE, "test", "-w", "/dev/net/tun"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "there may be no namespaces or interfaces of our own"
    return None


@implementer(IReadDescriptor)
class Interface:
    """
    The side of the interface that this program is.
    """

    def __init__(
        self,
        reactor: Any,
        received: Callable[[bytes], object],
        mtu: int = 1500,
        queue: int = 500,
    ) -> None:
        """
        @param received: takes each packet of IPv4, its addresses swapped already.
        @param mtu: how many bytes a packet has at the most.
        @param queue: how many packets may wait for this program.
        """
        self._received = received
        self._mtu = mtu
        self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(self._file, _TUNSETIFF, request)
        for command in (
            "ip link set lo up",
            f"ip link set tun0 mtu {mtu} txqueuelen {queue} up",
            f"ip address add {HERE}/24 dev tun0",
        ):
            subprocess.run(command.split(), check=True)
        reactor.addReader(self)

    def deliver(self, packet: bytes) -> None:
        """
        Have a packet arrive.
        """
        os.write(self._file, packet)

    def fileno(self) -> int:
        """
        Give what is read.
        """
        return self._file

    def logPrefix(self) -> str:
        """
        Give a name.
        """
        return "network"

    def connectionLost(self, reason: Failure) -> None:
        """
        The program ends.
        """
        os.close(self._file)

    def doRead(self) -> Any:
        """
        Take the packets that there are.
        """
        try:
            while True:
                packet = os.read(self._file, self._mtu)
                if packet[0] >> 4 == 4:
                    self._received(
                        packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                    )
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
