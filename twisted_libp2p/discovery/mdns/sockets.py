# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The sockets of multicast DNS: one for each version of IP serves all interfaces.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from twisted_libp2p.discovery.mdns.links import Link
from twisted_libp2p.discovery.mdns.packet import MAX_PACKET
from twisted_libp2p.logger import Logger

__all__ = ["PORT", "Heard", "MulticastSocket", "MulticastSocket6"]

#: The port of multicast DNS.
PORT: Final = 5353

#: Takes a packet, and the IP address of its source.
Heard = Callable[[bytes, str], object]

#: The number of routers that a packet may pass: receivers may check that it has passed
#: none (RFC 6762, section 11).
_HOPS: Final = 255


class MulticastSocket(DatagramProtocol):
    """
    The socket of IPv4.

    @ivar failing: the links on which it cannot send, or cannot hear.
    """

    _log = Logger()
    noisy = False
    transport: Any
    family = "IPv4"
    group = "224.0.0.251"
    interface = ""

    def __init__(self, heard: Heard, port: int = PORT) -> None:
        """
        Prepare to hear packets.

        @param heard: takes the received packets.
        @param port: the port of all peers.
        """
        self._heard = heard
        self._port = port
        self._joined: dict[Link, None] = {}
        self.failing: dict[Link, None] = {}

    @classmethod
    def open(cls, reactor: Any, heard: Heard, port: int) -> MulticastSocket:
        """
        Open a socket.

        @raise CannotListenError: it cannot, such as without this version of IP, or
            while another program keeps the port for itself.
        """
        opened = cls(heard, port)
        # One byte more shows that a packet is too large.
        reactor.listenMulticast(
            port,
            opened,
            cls.interface,
            maxPacketSize=MAX_PACKET + 1,
            listenMultiple=True,
        )
        return opened

    def startProtocol(self) -> None:
        """
        Let packets be recognised as those of a neighbour.
        """
        self.transport.setTTL(_HOPS)

    def serves(self, link: Link) -> bool:
        """
        Return whether a link has this version of IP.
        """
        return link.ipv4 is not None

    def follow(self, links: Iterable[Link]) -> bool:
        """
        Hear the given links, and no others.

        @return: whether a link is new.
        """
        wanted = dict.fromkeys(each for each in links if self.serves(each))
        for gone in [each for each in self._joined if each not in wanted]:
            del self._joined[gone]
            self.failing.pop(gone, None)
            # The interface, and the membership with it, may have gone by itself.
            maybeDeferred(self.leave, gone).addErrback(lambda _: None)
        new = [each for each in wanted if each not in self._joined]
        for link in new:
            self._joined[link] = None
            maybeDeferred(self.join, link).addErrback(self._failed, link)
        return bool(new)

    def send(self, data: bytes, link: Link) -> None:
        """
        Send a packet to all peers of a link; an error is logged once.
        """
        if link in self._joined:
            maybeDeferred(self._send, data, link).addCallbacks(
                lambda _: self.failing.pop(link, None), self._failed, (), {}, (link,)
            )

    def _send(self, data: bytes, link: Link) -> None:
        self.choose(link)
        self.transport.write(data, (self.group, self._port))

    def _failed(self, reason: Failure, link: Link) -> None:
        reason.trap(OSError, MessageLengthError, CannotListenError, Exception)
        if link not in self.failing:
            self.failing[link] = None
            self._log.warn(
                "no mDNS by {family} on {link}: {error}",
                family=self.family,
                link=link.name,
                error=reason.getErrorMessage(),
            )

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Pass on a packet.
        """
        self._heard(datagram, addr[0].partition("%")[0])

    def close(self) -> Any:
        """
        Close the socket.

        @return: a Deferred that fires when it is closed.
        """
        return maybeDeferred(self.transport.stopListening)

    # The calls that differ between the versions of IP

    def join(self, link: Link) -> Any:
        """
        Hear a link.
        """
        return self.transport.joinGroup(self.group, link.ipv4)

    def leave(self, link: Link) -> Any:
        """
        Hear a link no longer.
        """
        return self.transport.leaveGroup(self.group, link.ipv4)

    def choose(self, link: Link) -> None:
        """
        Send on a link from now on.
        """
        option = socket.inet_aton(link.ipv4 or "")
        handle = self.transport.getHandle()
        handle.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, option)


class MulticastSocket6(MulticastSocket):
    """
    The socket of IPv6.  Twisted 26.10 cannot name an interface there, so the options
    are set on the socket itself.
    """

    family = "IPv6"
    group = "ff02::fb"
    interface = "::"

    def startProtocol(self) -> None:
        """
        Let packets be recognised as those of a neighbour.
        """
        self._set(socket.IPV6_MULTICAST_HOPS, _HOPS)

    def serves(self, link: Link) -> bool:
        """
        Return whether a link has this version of IP.
        """
        return link.ipv6

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Pass on a packet; the other socket has those of IPv4.
        """
        if not addr[0].startswith("::ffff:"):
            super().datagramReceived(datagram, addr)

    def join(self, link: Link) -> None:
        """
        Hear a link.
        """
        self._set(socket.IPV6_JOIN_GROUP, self._membership(link))

    def leave(self, link: Link) -> None:
        """
        Hear a link no longer.
        """
        self._set(socket.IPV6_LEAVE_GROUP, self._membership(link))

    def choose(self, link: Link) -> None:
        """
        Send on a link from now on.
        """
        self._set(socket.IPV6_MULTICAST_IF, link.index)

    def _membership(self, link: Link) -> bytes:
        group = socket.inet_pton(socket.AF_INET6, self.group)
        return group + struct.pack("@I", link.index)

    def _set(self, option: int, value: int | bytes) -> None:
        self.transport.getHandle().setsockopt(socket.IPPROTO_IPV6, option, value)
