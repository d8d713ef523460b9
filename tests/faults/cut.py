# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport whose connections are cut after a number of bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.transport import MemoryTransport

__all__ = ["CutTransport"]


class _CutConnection(ProtocolWrapper):
    """
    The dialer's end of a connection.
    """

    factory: Any
    transport: Any
    _cut = False

    def write(self, data: bytes) -> None:
        """
        Send, as far as it goes.
        """
        self._pass("sent", data, self.transport.write)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Send, as far as it goes.
        """
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        """
        Receive, as far as it goes.
        """
        self._pass(
            "received", data, lambda data: self.wrappedProtocol.dataReceived(data)
        )

    def _pass(self, way: str, data: bytes, on: Any) -> None:
        if self._cut:
            return
        plan = self.factory.plan
        if way == plan.way:
            left = plan.count - plan.passed[way]
            self._cut = len(data) >= left
            data = data[:left]
        plan.passed[way] += len(data)
        if data:
            on(data)
        if self._cut:
            # A producer would keep the connection open.
            self.transport.unregisterProducer()
            if plan.clean:
                self.transport.loseConnection()
            else:
                self.transport.abortConnection()


class CutTransport(MemoryTransport):
    """
    Dials in memory, and cuts what it has dialed.

    @ivar way: which bytes count, C{sent} or C{received}.
    @ivar count: after how many of these a connection is cut.
    @ivar clean: whether it is closed, rather than reset.
    @ivar passed: how many bytes went each way, on the last connection.
    """

    way = ""
    count = 0
    clean = False

    def clientEndpoint(self, address: Multiaddr) -> IStreamClientEndpoint:
        """
        Give the endpoint that connects to an address.
        """
        self.passed = {"sent": 0, "received": 0}
        return _Endpoint(self, super().clientEndpoint(address))


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """
    Connects, and cuts.
    """

    def __init__(self, plan: CutTransport, endpoint: IStreamClientEndpoint) -> None:
        self._plan = plan
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        factory = _Factory(protocolFactory)
        factory.plan = self._plan
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda connection: connection.wrappedProtocol)


class _Factory(WrappingFactory[_CutConnection]):
    """
    Builds connections that are cut.
    """

    protocol = _CutConnection
    noisy = False
    plan: CutTransport

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> _CutConnection | None:
        """
        Build one, unless it is refused.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else _CutConnection(self, wrapped)
