# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Errors that our own side has caused.
"""

from __future__ import annotations

from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone

from twisted_libp2p.errors.base import ErrorCode, Libp2pError, nameOf

__all__ = [
    "AddressRefused",
    "ClosedHere",
    "ConfigurationError",
    "ConnectionClosing",
    "DialToSelf",
    "Gated",
    "LimitExceeded",
    "LimitedConnection",
    "LocalError",
    "NoAddresses",
    "NodeStopping",
    "NotFound",
    "ProxyFailed",
    "StreamAborted",
    "UnsupportedAddress",
]


class LocalError(Libp2pError):
    """
    Our own side asked for something impossible.
    """


class ConfigurationError(LocalError, ValueError):
    """
    An option has an unusable value.  The text is one line for the user: the mistake,
    and a correct value.
    """


class UnsupportedAddress(LocalError, ValueError):
    """
    No transport of this node can dial, or listen on, the address.
    """


class NoAddresses(LocalError):
    """
    A peer was dialed by its id, and no address of it is known.
    """


class NotFound(LocalError):
    """
    A lookup among other peers found nothing.

    @ivar subject: the thing that was looked up, such as C{"a value"}.
    @ivar asked: the number of peers that were asked.
    @ivar answered: the number of these that have answered.
    @ivar reason: the reason, if it is not the answers; otherwise empty.
    """

    def __init__(
        self, subject: str, asked: int = 0, answered: int = 0, reason: str = ""
    ) -> None:
        super().__init__(subject, asked, answered, reason)
        self.subject = subject
        self.asked = asked
        self.answered = answered
        self.reason = reason

    def _describe(self) -> str:
        why = self.reason or f"{self.asked} peers asked, {self.answered} have answered"
        return f"{self.subject} was not found: {why}"


class DialToSelf(LocalError):
    """
    The dialed peer is this node.
    """


class ConnectionClosing(LocalError):
    """
    A stream was requested on a connection that is closed or closing.
    """


class NodeStopping(ConnectionClosing):
    """
    A node was asked to connect, to listen or to open a stream during its stop or after
    it.
    """

    def __init__(
        self,
        message: str = "the node is stopping, or has stopped: start it again first",
    ) -> None:
        super().__init__(message)


class LimitedConnection(LocalError):
    """
    A stream was refused on a connection that leads through a relay, which limits its
    time and bytes.
    """


class StreamAborted(LocalError, ConnectionAborted):
    """
    Our side reset the stream.
    """

    def __init__(self, message: str = "the stream was reset locally") -> None:
        super().__init__(message)

    def _describe(self) -> str:
        return str(self.args[0])


class ClosedHere(LocalError, ConnectionDone):
    """
    Our side ended the connection in good order, and sent the reason to the peer.

    @ivar code: the code that was sent to the peer; 0 is a normal end.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        suffix = f" ({nameOf(self.code)})" if self.code else ""
        return "this side ended the connection" + suffix


class Gated(LocalError, ConnectError):
    """
    Our gater refuses the connection.

    @ivar reason: its reason.
    """

    wireCode = ErrorCode.GATED

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)
        self.reason = reason

    def _describe(self) -> str:
        return f"refused by the gater: {self.reason}"


class AddressRefused(LocalError, ConnectError):
    """
    An address is not dialed, because the peer that named it may not lead us there.

    @ivar reason: the place to which it leads.
    """

    wireCode = ErrorCode.GATED

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)
        self.reason = reason

    def _describe(self) -> str:
        return f"not dialed: {self.reason}"


class ProxyFailed(LocalError, ConnectError):
    """
    The proxy through which this node dials cannot be used: it cannot be reached, does
    not let us in, or speaks another protocol.

    @ivar reason: the fault of the proxy, after "it".
    @ivar proxy: the proxy, without a password; empty if it is not known.
    """

    def __init__(self, reason: str, proxy: str = "") -> None:
        super().__init__(None, reason)
        self.reason = reason
        self.proxy = proxy

    def _describe(self) -> str:
        return f"the proxy {self.proxy} cannot be used: {self.reason}"


class LimitExceeded(LocalError):
    """
    A limit of this node was reached.

    @ivar scope: the limited resource, such as C{"connection"} or C{"peer"}.
    @ivar limit: the limit.
    @ivar current: the usage.
    @ivar option: the option that changes the limit.
    """

    wireCode = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, scope: str, limit: int, current: int, option: str) -> None:
        super().__init__(scope, limit, current, option)
        self.scope = scope
        self.limit = limit
        self.current = current
        self.option = option

    def _describe(self) -> str:
        return (
            f"{self.scope}: {self.current} of {self.limit} in use;"
            f" the limit is set by {self.option}"
        )
