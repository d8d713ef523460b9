# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sockets that another program has opened and bound for this process: systemd, by socket
activation (sd_listen_fds(3)), or the supervisor of several processes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError

__all__ = [
    "InheritedSocket",
    "activated",
    "bindingOf",
    "initialEnvironment",
    "matched",
]

#: The first descriptor that systemd passes.
FIRST: Final = 3

_KINDS: Final = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """
    A bound socket.

    @ivar descriptor: its number.
    @ivar host: the IP address that it is bound to.
    @ivar port: the port that it is bound to.
    @ivar protocol: C{tcp} or C{udp}.
    @ivar requested: the port that a listener asks for; 0 if the system chose one.
    @ivar name: the name that systemd has given it.
    """

    descriptor: int
    host: str
    port: int
    protocol: str
    requested: int
    name: str = ""

    @classmethod
    def of(cls, descriptor: int, name: str = "") -> InheritedSocket:
        """
        Describe a descriptor.

        @raise ConfigurationError: it is not a bound socket of TCP or UDP.
        """
        try:
            with socket.socket(fileno=os.dup(descriptor)) as found:
                family, kind, bound = found.family, found.type, found.getsockname()
                listens = kind == socket.SOCK_DGRAM or bool(
                    found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                )
        except OSError as error:
            raise ConfigurationError(
                f"descriptor {descriptor} is not a socket: {error.strerror}"
            ) from None
        if family not in (socket.AF_INET, socket.AF_INET6) or kind not in _KINDS:
            raise ConfigurationError(
                f"descriptor {descriptor} is not a socket of TCP or UDP:"
                " ListenStream= and ListenDatagram= need an IP address and a port"
            )
        if not listens:
            raise ConfigurationError(
                f"descriptor {descriptor} does not listen: Accept=no is needed"
            )
        host, port = bound[:2]
        return cls(descriptor, host, port, _KINDS[kind], port, name)

    @property
    def family(self) -> socket.AddressFamily:
        """
        The family of its address.
        """
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def address(self) -> Multiaddr:
        """
        The address that it is bound to; of UDP, that of QUIC.
        """
        return Multiaddr(
            f"/{'ip6' if self.family == socket.AF_INET6 else 'ip4'}/{self.host}"
            f"/{self.protocol}/{self.port}"
            f"{'/quic-v1' if self.protocol == 'udp' else ''}"
        )

    def numbered(self, descriptor: int) -> InheritedSocket:
        """
        Return the socket as another process has it.
        """
        return replace(self, descriptor=descriptor)

    def copy(self) -> socket.socket:
        """
        Return another descriptor of the socket.
        """
        copy = socket.socket(fileno=os.dup(self.descriptor))
        copy.setblocking(False)
        return copy


def initialEnvironment() -> Mapping[str, str]:
    """
    Return the environment with which this process was started.  Twisted has removed
    the variables of systemd when it was imported.
    """
    # systemd runs on Linux alone.
    with suppress(OSError), open("/proc/self/environ", "rb") as file:
        pairs = (each.partition(b"=") for each in file.read().split(b"\0"))
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    return {}


def activated(
    environment: Mapping[str, str],
    pid: int,
    first: int = FIRST,
    *,
    lenient: bool = False,
) -> list[InheritedSocket]:
    """
    Return the sockets that systemd has opened for this process, and keep them from
    the programs that it starts.

    @param environment: the variables C{LISTEN_PID}, C{LISTEN_FDS} and
        C{LISTEN_FDNAMES}.
    @param pid: the id of this process.
    @param first: the first descriptor.
    @param lenient: whether to leave other descriptors out.
    @raise ConfigurationError: a descriptor is not a socket that a node can listen on,
        and C{lenient} is false.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return []
    count = environment.get("LISTEN_FDS", "")
    if not count.isdecimal():
        return []
    names = [each for each in environment.get("LISTEN_FDNAMES", "").split(":") if each]
    found = []
    for index in range(int(count)):
        descriptor = first + index
        name = names[index] if index < len(names) else ""
        try:
            found.append(InheritedSocket.of(descriptor, name))
        except ConfigurationError:
            if lenient:
                continue
            raise
        os.set_inheritable(descriptor, False)
    return found


def matched(
    sockets: Iterable[InheritedSocket], addresses: Iterable[Multiaddr]
) -> tuple[list[InheritedSocket], list[InheritedSocket]]:
    """
    Find the sockets for addresses to listen on.

    @return: the sockets of these addresses, and the others.
    """
    wanted = [bindingOf(each) for each in addresses]
    found: list[InheritedSocket] = []
    others: list[InheritedSocket] = []
    for each in sockets:
        binding = (each.protocol, each.host, each.port)
        (found if binding in wanted else others).append(each)
    return found, others


def bindingOf(address: Multiaddr) -> tuple[str, str, int] | None:
    """
    Return the socket that an address needs: C{tcp} or C{udp}, the host and the port;
    None if it begins with something else.
    """
    match address.names:
        case ("ip4" | "ip6" as family, "tcp" | "udp" as protocol, *_):
            return (
                protocol,
                str(address.value(family)),
                int(address.value(protocol) or 0),
            )
    return None
