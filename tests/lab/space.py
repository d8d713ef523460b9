# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Network namespaces that are file descriptors, and so end with their process.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Space"]

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000

#: The namespace of the present thread.
_OWN = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    """
    Raise the error of a call of the C library.
    """
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Space:
    """
    A network namespace.

    A socket that is made, or a program that is started, inside L{entered} belongs to
    the namespace for ever.
    """

    def __init__(self, name: str) -> None:
        """
        Make an empty namespace.

        @param name: its name, for messages.
        """
        self.name = name
        home = os.open(_OWN, os.O_RDONLY)
        try:
            _check(_libc.unshare(_CLONE_NEWNET))
            self._file = os.open(_OWN, os.O_RDONLY)
            _check(_libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)
        self.run("ip link set lo up")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """
        Be inside the namespace for a while.
        """
        home = os.open(_OWN, os.O_RDONLY)
        try:
            _check(_libc.setns(self._file, _CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)

    @property
    def path(self) -> str:
        """
        A name of the namespace for the command C{ip}.
        """
        return f"/proc/{os.getpid()}/fd/{self._file}"

    def run(self, command: str, text: str | None = None) -> str:
        """
        Run a program inside, to its end.

        @param command: the program and its arguments, with spaces between them.
        @param text: its standard input.
        @return: its standard output.
        @raise AssertionError: it has failed.
        """
        with self.entered():
            done = subprocess.run(
                command.split(), input=text, text=True, capture_output=True
            )
        if done.returncode:
            raise AssertionError(
                f"{command} in {self.name} failed: {done.stderr.strip()}"
            )
        return done.stdout

    def set(self, name: str, value: int) -> None:
        """
        Set a variable of the kernel, such as C{net.ipv4.ip_forward}.
        """
        with self.entered(), open(f"/proc/sys/{name.replace('.', '/')}", "w") as file:
            file.write(str(value))

    def tun(self, name: str, mtu: int = 1500) -> int:
        """
        Make an interface whose other side is this program.

        @return: the file that the packets are read from and written to.
        """
        with self.entered():
            file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            flags = _IFF_TUN | _IFF_NO_PI
            fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        self.run(f"ip link set {name} mtu {mtu} txqueuelen 2000 up")
        return file

    def close(self) -> None:
        """
        Leave the namespace to its sockets and programs; it ends with the last of them.
        """
        os.close(self._file)
