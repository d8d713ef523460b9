# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the layers ask of a socket, for Twisted's own transports: to send at once, and to
let a protocol put another in its place.

The adapters are registered when the room is imported, for TCP and, since Twisted
derives these from TCP, for Unix sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.interfaces import IProtocol
from twisted.internet.tcp import Connection
from twisted.python.components import registerAdapter
from zope.interface import implementer

from twisted_libp2p.interfaces import IFlushable, ISwitchable
from twisted_libp2p.pacing.below import Switchable

__all__ = ["DIRECT", "SocketSwitch", "SocketWriter"]

#: The most bytes that are offered to the socket directly.  A socket takes part of
#: larger pieces, and the second system call for the rest costs bulk transfers 4 to 7 %.
DIRECT: Final = 32 * 1024


@implementer(IFlushable)
class SocketWriter:
    """
    The writing side of a socket.

    Twisted's own C{write} leaves the bytes to the reactor's next turn, after all work
    for the sockets that are readable now: the peer would wait for our work, and then we
    for the peer's.  It also registers the socket with epoll, and takes that back when
    the bytes are sent: two system calls for each message.  If no earlier bytes wait, a
    few bytes are therefore handed to the socket directly, by C{writeSomeData}.

    Three conditions must hold for that.  The transport is Twisted's own, not a wrapper
    that claims its interfaces; it has not begun TLS, which would be bypassed; and it is
    connected and not closing.
    """

    __slots__ = ("_transport", "_waiting")

    def __init__(self, transport: Connection) -> None:
        self._transport = transport
        # Whether the transport may hold bytes that the socket has not taken yet; a
        # negotiator has usually written some before this.
        self._waiting = True

    def write(self, data: bytes) -> None:
        """
        Leave bytes to the reactor.
        """
        self._waiting = True
        self._transport.write(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Leave several pieces of bytes to the reactor.
        """
        self._waiting = True
        self._transport.writeSequence(iovec)

    def writeNow(self, data: bytes) -> None:
        """
        Send as many bytes as the socket takes, and leave the rest to the reactor.
        """
        transport = self._transport
        if (
            self._waiting
            or len(data) > DIRECT
            or transport.TLS
            or transport.disconnecting
            or not transport.connected
        ):
            self.write(data)
            self.flush()
            return
        sent = transport.writeSomeData(data)
        if isinstance(sent, int):
            data = data[sent:]
        # An error is reported to the reactor when it tries to send the same bytes.
        if data:
            self.write(data)

    def flush(self) -> None:
        """
        Have the transport send its buffer, if it has one.
        """
        transport = self._transport
        if self._waiting and transport.connected and not transport.disconnecting:
            # A producer that is resumed when the buffer is empty may fill it again.
            self._waiting = False
            transport.doWrite()
            if transport.dataBuffer:
                self._waiting = True


class SocketSwitch(Switchable):
    """
    Replaces the protocol of a socket.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: Connection) -> None:
        self._transport = transport

    @property
    def protocol(self) -> Any:
        """
        The protocol that receives; None after the connection.
        """
        transport = self._transport
        return transport.protocol if transport.connected else None

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self._transport.protocol = protocol


def _writer(transport: object) -> SocketWriter | None:
    """
    Adapt a socket.  Twisted's wrappers claim its interfaces, and are refused.
    """
    return SocketWriter(transport) if isinstance(transport, Connection) else None


def _switch(transport: object) -> SocketSwitch | None:
    """
    Adapt a socket.  Twisted's wrappers claim its interfaces, and are refused.
    """
    return SocketSwitch(transport) if isinstance(transport, Connection) else None


registerAdapter(_writer, Connection, IFlushable)
registerAdapter(_switch, Connection, ISwitchable)
