# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The UDP socket of QUIC: many datagrams in one call of the system where it can do that.

On Linux, datagrams of one connection are sent together (GSO) and received together
(GRO), their ECN bits are kept, they are never fragmented, so that the path MTU can be
found out, and the errors that routers report (ICMP) are read.  Elsewhere, and where the
kernel refuses, each datagram is a call.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import ILoggingContext
from twisted.internet.udp import Port
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import ReceivedDatagram, SentDatagram
from twisted_libp2p.logger import Logger

__all__ = ["BACKLOG", "READS", "DatagramUser", "QuicPort", "zoneName"]

#: The most calls that read the socket in one turn of the reactor.
READS = 16

#: The most datagrams, or groups of them, that wait for a full socket; more are dropped,
#: and sent again by QUIC.
BACKLOG = 512

#: The wanted bytes of the socket's buffers; the system may give less.
BUFFER = 7 * 1024 * 1024

_LARGEST = 65535
_ANCILLARY = 256

# Of Linux; the module socket names few of them.
_LINUX = sys.platform == "linux"
_SOL_UDP, _UDP_SEGMENT, _UDP_GRO = 17, 103, 104
_IP_MTU_DISCOVER, _IP_RECVERR = 10, 11
_IPV6_MTU_DISCOVER, _IPV6_RECVERR = 23, 25
_PMTUDISC_PROBE = 3
_MSG_ERRQUEUE = 0x2000

_ECN = 0b11
_WAIT = (BlockingIOError, InterruptedError)
_UNREACHABLE = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)


# The constructor of a named tuple is a slower function of Python.
_received = partial(tuple.__new__, ReceivedDatagram)


class DatagramUser(Protocol):
    """
    The object to which a port belongs.
    """

    def received(self, datagrams: Sequence[ReceivedDatagram]) -> None:
        """
        Take received datagrams.
        """

    def unreachable(self, host: str, port: int) -> None:
        """
        Note that nobody receives at an address, as somebody on the way says.
        """


class QuicPort(Port):
    """
    One UDP socket.

    @ivar offload: whether datagrams are sent and received together.
    """

    _log = Logger()
    # Twisted's name of a socket that is bound already.
    _preexistingSocket: Any = None

    def __init__(
        self,
        port: int,
        user: DatagramUser,
        interface: str,
        reactor: Any,
        offload: bool = True,
        bound: socket.socket | None = None,
    ) -> None:
        """
        @param port: the number to bind; 0 lets the system choose.
        @param user: takes the datagrams.
        @param interface: the IP address to bind.
        @param offload: whether to use GSO and GRO, where the kernel has them.
        @param bound: the socket, if another program has bound it; the port closes it.
        """
        super().__init__(port, _Silent(), interface, _LARGEST, reactor)
        self.user = user
        self.offload = offload and _LINUX
        self._backlog: deque[SentDatagram] = deque()
        self._bound: IPv4Address | IPv6Address | None = None
        # The ECN bits of the socket.
        self._ecn = 0
        if bound is not None:
            self._adjust(bound)
            self._preexistingSocket = bound

    def createInternetSocket(self) -> socket.socket:
        """
        Make the socket, with its options.
        """
        made: socket.socket = super().createInternetSocket()
        self._adjust(made)
        if self.addressFamily == socket.AF_INET6:
            # Otherwise 0.0.0.0 could not have the same port.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return made

    def _adjust(self, made: socket.socket) -> None:
        """
        Set the options that a socket may get at any time.
        """
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            # Some systems refuse a size that others reduce.
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        if _LINUX:
            self._setLinux(made, self.addressFamily == socket.AF_INET6)

    def _setLinux(self, made: socket.socket, six: bool) -> None:
        level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        discover = _IPV6_MTU_DISCOVER if six else _IP_MTU_DISCOVER
        options = [
            (level, discover, _PMTUDISC_PROBE),
            (level, _IPV6_RECVERR if six else _IP_RECVERR, 1),
            (level, socket.IPV6_RECVTCLASS if six else socket.IP_RECVTOS, 1),
        ]
        for each in options:
            # An old kernel, or a sandbox: the option is an improvement, no more.
            with suppress(OSError):
                made.setsockopt(*each)
        if self.offload:
            try:
                made.setsockopt(_SOL_UDP, _UDP_GRO, 1)
            except OSError:
                self.offload = False

    # Receiving

    def doRead(self) -> None:
        """
        Read what the socket has, within bounds, and hand it on.
        """
        found: list[ReceivedDatagram] = []
        receive = self.socket.recvmsg
        for _ in range(READS):
            try:
                data, ancillary, _, address = receive(_LARGEST, _ANCILLARY)
            except _WAIT:
                break
            except OSError:
                # The error of a datagram that was sent before.
                self._readErrors()
                continue
            segment = ecn = 0
            for level, kind, value in ancillary:
                if level == _SOL_UDP:
                    if kind == _UDP_GRO:
                        (segment,) = struct.unpack_from("=i", value)
                elif value:
                    ecn = value[0] & _ECN
            if not 0 < segment < len(data):
                segment = 0
            host, port = address if len(address) == 2 else _hostAndPort(address)
            found.append(_received((data, host, port, segment, ecn)))
        try:
            self.user.received(found)
        except Exception:
            # Twisted would close the port, and all connections with it.
            self._log.failure("received datagrams caused an error")

    def _readErrors(self) -> None:
        """
        Read which receivers cannot be reached.
        """
        if not _LINUX:
            return
        for _ in range(READS):
            try:
                _, ancillary, _, address = self.socket.recvmsg(
                    64, _ANCILLARY, _MSG_ERRQUEUE
                )
            except OSError:
                return
            for level, _, value in ancillary:
                if level not in (socket.IPPROTO_IP, socket.IPPROTO_IPV6):
                    continue
                if len(value) < 4 or not address:
                    continue
                (code,) = struct.unpack_from("=I", value)
                if code in _UNREACHABLE:
                    self.user.unreachable(*_hostAndPort(address))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Close the socket, unless a poll of the reactor has only seen an error of one
        datagram: it takes that for the end of the socket.
        """
        if reason is None or not self.connected:
            super().connectionLost(reason)
            return
        self._readErrors()
        self.startReading()
        if self._backlog:
            self.startWriting()

    # Sending

    def send(self, datagram: SentDatagram) -> None:
        """
        Send datagrams, now or when the socket takes them.
        """
        if self._backlog:
            if len(self._backlog) < BACKLOG:
                self._backlog.append(datagram)
            return
        try:
            self._send(datagram)
        except _WAIT:
            self._backlog.append(datagram)
            self.startWriting()
        except OSError:
            self._sendAgain(datagram)

    def _sendAgain(self, datagram: SentDatagram) -> None:
        """
        Send datagrams once more, since the error may be that of an earlier one, to
        another peer.  If they fail again, it is as if they were lost on the way: they
        are too large for it, or there is no route.
        """
        self._readErrors()
        with suppress(OSError):
            self._send(datagram)

    def _send(self, datagram: SentDatagram) -> None:
        data, host, port, segment, ecn = datagram
        address = (host, port)
        if ecn != self._ecn:
            self._mark(ecn)
        if not 0 < segment < len(data):
            self.socket.sendto(data, address)
            return
        if self.offload:
            size = (_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", segment))
            try:
                self.socket.sendmsg([data], [size], 0, address)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EIO):
                    raise
            else:
                return
        for start in range(0, len(data), segment):
            self.socket.sendto(data[start : start + segment], address)
        # The kernel, or the device, takes them one by one alone.  Where a single one
        # fails too, it is too large for the device.
        self.offload = False

    def _mark(self, ecn: int) -> None:
        """
        Set the ECN bits of all datagrams that are sent from now on.  They rarely
        change, so this is cheaper than ancillary data for each datagram.
        """
        self._ecn = ecn
        if not _LINUX:
            return
        level, option = socket.IPPROTO_IP, socket.IP_TOS
        if self.addressFamily == socket.AF_INET6:
            level, option = socket.IPPROTO_IPV6, socket.IPV6_TCLASS
        with suppress(OSError):
            self.socket.setsockopt(level, option, ecn)

    def doWrite(self) -> None:
        """
        Send what waits.
        """
        while self._backlog:
            try:
                self._send(self._backlog[0])
            except _WAIT:
                return
            except OSError:
                self._sendAgain(self._backlog[0])
            self._backlog.popleft()
        self.stopWriting()

    # Addresses

    def getHost(self) -> IPv4Address | IPv6Address:
        """
        Return the bound address, which does not change.
        """
        bound = self._bound
        if bound is None:
            bound = self._bound = super().getHost()
        return bound

    def addressTo(self, host: str, port: int) -> IPv4Address | IPv6Address:
        """
        Return the address of our end of a connection.  If the socket takes datagrams
        for all addresses of this host, the route to the peer decides.
        """
        bound = self.getHost()
        if bound.host not in ("0.0.0.0", "::"):
            return bound
        try:
            with socket.socket(self.addressFamily, socket.SOCK_DGRAM) as probe:
                probe.connect((host, port))
                own = probe.getsockname()[0]
        except OSError:
            return bound
        found = IPv6Address if ":" in own else IPv4Address
        address: IPv4Address | IPv6Address = found("UDP", own, bound.port)
        return address


def _hostAndPort(address: tuple[Any, ...]) -> tuple[str, int]:
    """
    Return the address of a peer, with the zone of a link-local one: without it, no
    answer finds its link.
    """
    host, port = address[:2]
    if len(address) > 3 and address[3]:
        host = f"{host}%{zoneName(address[3])}"
    return host, port


@lru_cache(64)
def zoneName(index: int) -> str:
    """
    Return the name of an interface, or its number if it is gone.
    """
    try:
        return socket.if_indextoname(index)
    except (OSError, OverflowError):
        return str(index)


@implementer(ILoggingContext)
class _Silent:
    """
    Takes the place of Twisted's datagram protocol, which gets nothing here.
    """

    noisy = False

    def logPrefix(self) -> str:
        """
        Return the name of the port in the log.
        """
        return "libp2p"

    def makeConnection(self, transport: object) -> None:
        """
        Do nothing.
        """

    def doStop(self) -> None:
        """
        Do nothing.
        """

    def connectionRefused(self) -> None:
        """
        Do nothing.
        """
