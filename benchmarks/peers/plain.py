# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Twisted's own TCP, and its TLS 1.3, without anything of libp2p: the ceiling.

A connection carries requests: two numbers of 8 bytes, how many bytes the client
sends and how many it wants; then the one, then the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions, KeyPair, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from benchmarks.peers.flood import flood
from benchmarks.peers.orders import BLOCK_SIZE, Facts, Order, Work, inLanes

__all__ = ["PlainDialer", "PlainListener"]

HEADER_SIZE = 16
PING_SIZE = 32

# Over loopback, writes of 65536 bytes are much slower; why is not known.
GOOD_BLOCK_SIZE = 60_000

CIPHER = b"TLS_AES_128_GCM_SHA256"


class Responder(Protocol):
    """
    Takes what is sent, then sends what is wanted.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Send small answers at once.
        """
        self.transport.setTcpNoDelay(True)
        self._begin(b"")

    def _begin(self, header: bytes) -> None:
        self._header = header
        self._missing = HEADER_SIZE

    def dataReceived(self, data: bytes) -> None:
        """
        Read the header, or count.
        """
        self._missing -= len(data)
        if len(self._header) < HEADER_SIZE:
            self._header += data[: HEADER_SIZE - len(self._header)]
            if len(self._header) == HEADER_SIZE:
                self._missing += int.from_bytes(self._header[:8], "big")
        if len(self._header) == HEADER_SIZE and not self._missing:
            size = int.from_bytes(self._header[8:], "big")
            flood(self.transport, size, GOOD_BLOCK_SIZE, lambda: self._begin(b""))


class Requester(Protocol):
    """
    Makes requests, one after the other.
    """

    transport: Any
    _answered: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """
        Send small requests at once.
        """
        self.transport.setTcpNoDelay(True)

    def request(self, send: int, want: int, block: int) -> Deferred[None]:
        """
        Send bytes, and receive as many as wanted.

        @param block: how many bytes are written at once.
        @return: fires when all that is wanted has come.
        """
        self._missing = want
        self._answered = Deferred()
        self.transport.write(send.to_bytes(8, "big") + want.to_bytes(8, "big"))
        flood(self.transport, send, block, lambda: None)
        return self._answered

    def dataReceived(self, data: bytes) -> None:
        """
        Count what comes.
        """
        self._missing -= len(data)
        if not self._missing and self._answered is not None:
            answered, self._answered = self._answered, None
            answered.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        No answer will come any more.
        """
        answered, self._answered = self._answered, None
        if answered is not None:
            answered.errback(reason)


def _secured(factory: IProtocolFactory, isClient: bool) -> TLSMemoryBIOFactory:
    """
    Put TLS 1.3 with a fast cipher below a factory; the client takes whoever
    answers.
    """
    if isClient:
        options = CertificateOptions(raiseMinimumTo=TLSVersion.TLSv1_3)
    else:
        key = KeyPair.generate()
        certificate = key.selfSignedCert(1, CN="localhost")
        options = CertificateOptions(
            privateKey=key.original,
            certificate=certificate.original,
            raiseMinimumTo=TLSVersion.TLSv1_3,
        )
    options.getContext().set_tls13_ciphersuites(CIPHER)
    return TLSMemoryBIOFactory(options, isClient, factory)


class PlainListener:
    """
    Answers requests.
    """

    def __init__(self, reactor: Any, host: str, secure: bool) -> None:
        """
        Prepare a listener.

        @param host: the IPv4 address to listen on.
        @param secure: whether TLS is spoken.
        """
        self._endpoint = TCP4ServerEndpoint(reactor, 0, interface=host)
        factory = Factory.forProtocol(Responder)
        self._factory = _secured(factory, False) if secure else factory

    async def start(self) -> Facts:
        """
        Listen.

        @return: where.
        """
        address = (await self._endpoint.listen(self._factory)).getHost()
        return {"addrs": [f"/ip4/{address.host}/tcp/{address.port}"]}


class PlainDialer:
    """
    Has one connection, and makes requests on it.
    """

    def __init__(self, reactor: Any, target: str, secure: bool) -> None:
        """
        @param target: where the listener says it is.
        @param secure: whether TLS is spoken.
        """
        _, _, host, _, port = target.split("/")
        self._endpoint = TCP4ClientEndpoint(reactor, host, int(port))
        self._secure = secure
        self._requester: Requester | None = None

    @property
    def works(self) -> dict[str, Work]:
        """
        What can be done, by name.
        """
        return {"upload": self.upload, "download": self.download, "ping": self.ping}

    async def _connected(self) -> Requester:
        if self._requester is None:
            requester = Requester()
            if self._secure:
                factory = Factory.forProtocol(lambda: requester)
                await self._endpoint.connect(_secured(factory, True))
            else:
                await connectProtocol(self._endpoint, requester)
            self._requester = requester
        return self._requester

    async def upload(self, order: Order) -> Facts:
        """
        Send so many bytes.
        """
        block = GOOD_BLOCK_SIZE if order.block == BLOCK_SIZE else order.block
        return await self._request(order, order.amount, 1, block)

    async def download(self, order: Order) -> Facts:
        """
        Receive so many bytes.
        """
        return await self._request(order, 0, order.amount, GOOD_BLOCK_SIZE)

    async def _request(self, order: Order, send: int, want: int, block: int) -> Facts:
        requester = await self._connected()

        async def one(lane: int, left: Iterator[int]) -> None:
            await requester.request(send, want, block)

        return await inLanes(order, one)

    async def ping(self, order: Order) -> Facts:
        """
        Have 32 bytes answered so often.
        """
        requester = await self._connected()
        times: list[float] = []

        async def one(lane: int, left: Iterator[int]) -> None:
            for _ in left:
                begin = time.perf_counter()
                await requester.request(PING_SIZE, PING_SIZE, PING_SIZE)
                times.append((time.perf_counter() - begin) * 1e6)

        return {**await inLanes(order, one), "times": times}
