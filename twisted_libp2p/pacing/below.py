# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a layer finds out what the transport below it can do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IProtocol, ITCPTransport
from twisted.protocols.policies import ProtocolWrapper
from zope.interface import implementer

from twisted_libp2p.interfaces import IFlushable, IHalfCloseable, ISwitchable

__all__ = ["Switchable", "flushable", "halfClose", "switchable"]


def flushable(transport: Any) -> IFlushable:
    """
    Return the object through which a layer writes to a transport.  The bytes leave at
    once if the transport, or an adapter, provides L{IFlushable}.
    """
    if _foreign(transport):
        return _Unhurried(transport)
    found: IFlushable | None = IFlushable(transport, None)
    return _Unhurried(transport) if found is None else found


def switchable(transport: Any) -> ISwitchable | None:
    """
    Return the object by which the protocol of a transport is replaced.

    @return: None if the transport has no way to replace its protocol.
    """
    if _foreign(transport):
        return _WrapperSwitch(transport)
    # This is asked for each stream, and to adapt takes six times as long.
    if ISwitchable.providedBy(transport):
        provided: ISwitchable = transport
        return provided
    return ISwitchable(transport, None)


def halfClose(transport: Any) -> None:
    """
    Close our direction of a transport when all written bytes are sent, if it can.
    """
    if IHalfCloseable.providedBy(transport) or (
        ITCPTransport.providedBy(transport) and not _foreign(transport)
    ):
        transport.loseWriteConnection()


def _foreign(transport: object) -> bool:
    """
    Decide whether a transport is one of Twisted's wrappers, such as that of its TLS.
    These claim all interfaces of the transport below them, and forward the methods that
    they do not know: past their own work.
    """
    return isinstance(transport, ProtocolWrapper) and not ISwitchable.implementedBy(
        type(transport)
    )


@implementer(IFlushable)
class _Unhurried:
    """
    The writing side of a transport that cannot send at once.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    writeNow = write

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self._transport.writeSequence(iovec)

    def flush(self) -> None:
        """
        Do nothing: the transport sends when it can.
        """


@implementer(ISwitchable)
class Switchable:
    """
    A base class for transports that deliver to C{protocol}, an L{IProtocol}, or None
    after the connection.
    """

    __slots__ = ()

    protocol: Any

    def switchProtocol(self, present: IProtocol, successor: IProtocol) -> None:
        """
        Deliver to another protocol from now on, if the caller receives.
        """
        if self.protocol is present:
            self.protocol = successor

    def lend(self, protocol: IProtocol) -> bool:
        """
        Keep no borrower: there is one protocol.
        """
        return False

    def unread(self, data: bytes) -> None:
        """
        Deliver bytes that came before the protocol was replaced.
        """
        if self.protocol is not None:
            self.protocol.dataReceived(data)


class _WrapperSwitch(Switchable):
    """
    Replaces the protocol above one of Twisted's wrappers.
    """

    __slots__ = ("_wrapper",)

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    @property
    def protocol(self) -> Any:
        return self._wrapper.wrappedProtocol

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self._wrapper.wrappedProtocol = protocol
