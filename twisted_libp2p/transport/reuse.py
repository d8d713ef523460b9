# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dials from the port on which a node listens.

A router that translates addresses gives all connections of one port the same public
port.  So the address from which such dials are seen is one at which the node may be
reached, and a hole for it can be punched.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectBindError, ConnectError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.tcp import makeBinding
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["UNANSWERED", "FallingBack", "ReusablePorts"]

#: The option by which sockets share a port; not everywhere.
_OPTION: Final = socket.SO_REUSEPORT if "SO_REUSEPORT" in vars(socket) else None

#: Seconds without an answer after which another port is tried beside the shared one:
#: the first packet has been sent again by then.
UNANSWERED: Final = 2.0

_WILDCARDS: Final = ("0.0.0.0", "::", "")


class ReusablePorts:
    """
    The ports on which a transport listens, for dials from there.
    """

    def __init__(self) -> None:
        self._ports: list[Any] = []

    def add(self, port: Any, listener: socket.socket) -> None:
        """
        Let dials share a port.

        The option is set after the port was bound: a port that is taken is still
        reported.

        @param port: the port.
        @param listener: its socket.
        """
        if _OPTION is not None:
            listener.setsockopt(socket.SOL_SOCKET, _OPTION, 1)
            self._ports = [*self._open(), port]

    def _open(self) -> list[Any]:
        """
        Return the ports that listen still.
        """
        return [each for each in self._ports if each.connected]

    def binding(self, family: str) -> Any:
        """
        Return the place to dial from.

        @param family: C{ip4} or C{ip6}.
        @return: the place, for C{bindAddress}; None without a port of this family that
            peers elsewhere might reach.
        """
        hosts = [each.getHost() for each in self._open()]
        fitting = [
            each
            for each in hosts
            if (":" in each.host) is (family == "ip6")
            and each.host not in ("127.0.0.1", "::1")
        ]
        # A wildcard leaves the choice of the interface to the system.
        fitting.sort(key=lambda each: each.host not in _WILDCARDS)
        if not fitting:
            return None
        return makeBinding(fitting[0].host, fitting[0].port, True, True)


@implementer(IStreamClientEndpoint)
class FallingBack:
    """
    Dials from a shared port, and from any other if that cannot be: because there is
    such a connection already, or was one a moment ago.

    Without an answer it soon dials from another port beside the first one: the
    peer may have an old connection from our port, after a restart of our router, and
    then answers by a packet that the router drops.
    """

    def __init__(
        self,
        shared: IStreamClientEndpoint,
        other: IStreamClientEndpoint,
        clock: IReactorTime,
    ) -> None:
        """
        @param clock: the timers.
        """
        self._shared = shared
        self._other = other
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        return _Dials(self._shared, self._other, self._clock, protocolFactory).result


class _Dials:
    """
    The dial from a shared port, and that from another one.

    @ivar result: fires with the first connection.
    """

    def __init__(
        self,
        shared: IStreamClientEndpoint,
        other: IStreamClientEndpoint,
        clock: IReactorTime,
        factory: IProtocolFactory,
    ) -> None:
        self.result: Deferred[IProtocol] = Deferred(lambda _: self._end())
        self._factory = factory
        self._other: IStreamClientEndpoint | None = other
        self._running: list[Deferred[IProtocol]] = []
        self._isOver = False
        self._unanswered = clock.callLater(UNANSWERED, self._fallBack)
        self._dial(shared)

    def _dial(self, endpoint: IStreamClientEndpoint) -> None:
        dial = endpoint.connect(self._factory)
        self._running.append(dial)
        dial.addCallbacks(
            self._connected, self._failed, callbackArgs=(dial,), errbackArgs=(dial,)
        )

    def _fallBack(self) -> None:
        """
        Dial from another port, if that is not done.
        """
        other, self._other = self._other, None
        if self._unanswered.active():
            self._unanswered.cancel()
        if other is not None:
            self._dial(other)

    def _connected(self, protocol: IProtocol, dial: Deferred[IProtocol]) -> None:
        self._running.remove(dial)
        self._end()
        self.result.callback(protocol)

    def _failed(self, reason: Failure, dial: Deferred[IProtocol]) -> None:
        self._running.remove(dial)
        if self._isOver:
            return
        if self._other is not None and _isTaken(reason):
            self._fallBack()
        elif not self._running:
            self._end()
            self.result.errback(reason)

    def _end(self) -> None:
        """
        Give up the other dial.
        """
        self._isOver = True
        self._other = None
        if self._unanswered.active():
            self._unanswered.cancel()
        for each in list(self._running):
            each.cancel()


def _isTaken(reason: Failure) -> bool:
    """
    Check whether a dial has failed because its port cannot be used.
    """
    error = reason.value
    return isinstance(error, ConnectBindError) or (
        isinstance(error, ConnectError)
        and error.osError in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
    )
