# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Local networks in memory: machines with interfaces, and multicast between them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_interface
from typing import Any

import ifaddr
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.testing import HostDouble

__all__ = ["Lan", "Machine", "Transport"]

#: The port that all machines use.
PORT = 5353


class Lan:
    """
    Segments, by name, and the machines on them.

    @ivar clock: the time.
    @ivar sent: all packets, each with its segment and the address of its source.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.machines: list[Machine] = []
        self.sent: list[tuple[str, str, bytes]] = []

    def machine(self, *interfaces: tuple[str, str, Iterable[str]]) -> Machine:
        """
        Add a machine.

        @param interfaces: for each the name, the segment, and its addresses with their
            networks.
        """
        machine = Machine(self, interfaces)
        self.machines.append(machine)
        return machine

    def deliver(
        self,
        segment: str,
        group: str,
        source: str,
        data: bytes,
        sender: Machine | None = None,
    ) -> None:
        """
        Let a packet arrive at all machines of a segment that hear the group; on the
        segment C{"lo:"}, at the sender only.
        """
        self.sent.append((segment, source, data))
        for machine in self.machines:
            if segment.startswith("lo:") and machine is not sender:
                continue
            for transport in list(machine.ports):
                if transport.hears(segment, group):
                    self.clock.callLater(
                        0, transport.protocol.datagramReceived, data, (source, PORT)
                    )

    def advance(self, seconds: float) -> None:
        """
        Let time pass, from one event to the next.
        """
        end = self.clock.seconds() + seconds
        while calls := self.clock.getDelayedCalls():
            due = min(each.getTime() for each in calls)
            if due > end:
                break
            self.clock.advance(max(due - self.clock.seconds(), 0.0))
        self.clock.advance(end - self.clock.seconds())


class Machine(Clock):
    """
    The reactor of a machine.

    @ivar interfaces: its interfaces, by name: each a segment and addresses.
    @ivar ports: its open sockets.
    @ivar refuses: the addresses on which no socket can be opened.
    @ivar broken: the interfaces on which nothing can be sent.
    """

    def __init__(
        self, lan: Lan, interfaces: Iterable[tuple[str, str, Iterable[str]]]
    ) -> None:
        super().__init__()
        self.lan = lan
        self.interfaces = {
            name: (segment, list(addresses)) for name, segment, addresses in interfaces
        }
        self.ports: list[Transport] = []
        self.refuses: set[str] = set()
        self.broken: set[str] = set()

    def seconds(self) -> float:
        """
        Return the time of the network.
        """
        return self.lan.clock.seconds()

    def callLater(self, delay: float, callable: Any, *args: Any, **kw: Any) -> Any:
        """
        Use the clock of the network.
        """
        return self.lan.clock.callLater(delay, callable, *args, **kw)

    def listenMulticast(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> Transport:
        """
        Open a socket.
        """
        assert port == PORT
        assert listenMultiple
        if interface in self.refuses:
            raise CannotListenError(interface, port, OSError(98, "in use"))
        transport = Transport(self, protocol, 6 if interface == "::" else 4)
        self.ports.append(transport)
        protocol.makeConnection(transport)
        return transport

    def adapters(self) -> list[ifaddr.Adapter]:
        """
        List the interfaces as ifaddr does.
        """
        return [
            ifaddr.Adapter(
                name,
                name,
                [
                    ifaddr.IP(
                        str(each.ip) if each.version == 4 else (str(each.ip), 0, 0),
                        each.network.prefixlen,
                        name,
                    )
                    for each in map(ip_interface, addresses)
                ],
                index,
            )
            for index, (name, (_, addresses)) in enumerate(self.interfaces.items(), 1)
        ]

    def node(self, *addresses: str, **options: Any) -> tuple[HostDouble, MdnsService]:
        """
        Start a node on this machine.

        @param addresses: where it listens.
        """
        host = HostDouble(self, addresses=[Multiaddr(each) for each in addresses])
        service = MdnsService(
            adapters=self.adapters, random=lambda: 0.5, port=PORT, **options
        )
        service.attach(host)
        service.startService()
        return host, service


class Transport:
    """
    A socket for multicast.

    @ivar protocol: its protocol.
    """

    def __init__(self, machine: Machine, protocol: Any, version: int) -> None:
        self.protocol = protocol
        self._machine = machine
        self._version = version
        self._groups: dict[str, str] = {}
        self._outgoing = ""

    # The methods of Twisted

    def setTTL(self, ttl: int) -> None:
        """
        Accept the only right value.
        """
        assert ttl == 255

    def joinGroup(self, group: str, interface: str) -> Deferred[None]:
        """
        Join a group on the interface with an address.
        """
        name = self._named(interface)
        if name is None:
            return fail(OSError(19, "No such device"))
        self._groups[name] = group
        return succeed(None)

    def leaveGroup(self, group: str, interface: str) -> Deferred[None]:
        """
        Leave a group.
        """
        name = self._named(interface)
        if name is None:
            return fail(OSError(99, "Cannot assign requested address"))
        del self._groups[name]
        return succeed(None)

    def getHandle(self) -> Transport:
        """
        Return the object with the options.
        """
        return self

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """
        Set an option of the socket itself.
        """
        if level == socket.IPPROTO_IP:
            assert option == socket.IP_MULTICAST_IF
            name = self._named(socket.inet_ntoa(value))
            if name is None:
                raise OSError(99, "Cannot assign requested address")
            self._outgoing = name
        elif option == socket.IPV6_MULTICAST_IF:
            self._outgoing = self._numbered(value)
        elif option == socket.IPV6_MULTICAST_HOPS:
            assert value == 255
        else:
            name = self._numbered(int.from_bytes(value[16:], "little"))
            group = socket.inet_ntop(socket.AF_INET6, value[:16])
            if option == socket.IPV6_JOIN_GROUP:
                self._groups[name] = group
            else:
                assert option == socket.IPV6_LEAVE_GROUP
                del self._groups[name]

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        """
        Send a packet.
        """
        if self._outgoing in self._machine.broken:
            raise OSError(101, "Network is unreachable")
        segment, addresses = self._machine.interfaces[self._outgoing]
        source = next(
            str(each.ip)
            for each in map(ip_interface, addresses)
            if each.version == self._version
        )
        self._machine.lan.deliver(segment, address[0], source, data, self._machine)

    def stopListening(self) -> Deferred[None]:
        """
        Close the socket.
        """
        self._machine.ports.remove(self)
        return succeed(None)

    # The network

    def hears(self, segment: str, group: str) -> bool:
        """
        Return whether packets to a group on a segment arrive.
        """
        return any(
            joined == group
            and name in self._machine.interfaces
            and self._machine.interfaces[name][0] == segment
            for name, joined in self._groups.items()
        )

    def _named(self, address: str) -> str | None:
        for name, (_, addresses) in self._machine.interfaces.items():
            if any(str(ip_interface(each).ip) == address for each in addresses):
                return name
        return None

    def _numbered(self, index: int) -> str:
        names = list(self._machine.interfaces)
        if not 0 < index <= len(names):
            raise OSError(19, "No such device")
        return names[index - 1]
