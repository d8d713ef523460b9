# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's I{perf} application: how fast do bytes go up, and down, and how long
does one byte take there and back?

Of the suite's programs those in Rust and .NET speak C{/perf/1.0.0} with another
header than the specification's, and the suite does not say who the other side
is.  So both sides find out here: the dialer by asking for something that means
another thing with each header, the listener by what can be meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from tests.unified.application import Application
from tests.unified.environment import whole
from tests.unified.redis import Redis
from tests.unified.summary import Summary
from twisted_libp2p.errors import ProtocolViolation, UpgradeTimeout
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols.perf import (
    PROTOCOL_ID,
    Header,
    Measurement,
    PerfResponder,
    measure,
)

__all__ = ["PerfApplication", "Undecided", "headerOf"]

#: Seconds between two looks for the listener's address.
POLL = 0.25

#: More than this nobody wants: it is content, not the second half of a header.
MOST_WANTED = 1 << 40


async def headerOf(clock: IReactorTime, connection: IConnection) -> Header:
    """
    Find out which header the listener expects.

    Nothing is sent behind C{0, 1}.  Who takes that for two numbers answers
    with one byte; who takes the first for what is wanted, and the second for
    content, with none.
    """
    try:
        await measure(clock, connection, 0, 1, header=Header.SENT_WANTED)
    except ProtocolViolation:
        return Header.WANTED
    return Header.SENT_WANTED


@implementer(IHalfCloseableProtocol)
class Undecided(Protocol):
    """
    A listener that does not know yet which header the dialer has.

    If it is the longer one, the second number is what the dialer wants.  If
    it is the shorter one, there is content in that place, if anything: zeros,
    or what would be an absurd number.  So only a zero leaves it open until all
    has come; then the first number is as much as was sent, or is not.
    """

    transport: Any

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._begin = b""
        self._received = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Decide as soon as that is possible.
        """
        self._received += len(data)
        missing = 16 - len(self._begin)
        if missing <= 0:
            return
        self._begin += data[:missing]
        second = int.from_bytes(self._begin[8:], "big")
        if len(self._begin) == 16 and second:
            two = second <= MOST_WANTED
            responder = self._decide(Header.SENT_WANTED if two else Header.WANTED)
            if len(data) > missing:
                responder.dataReceived(data[missing:])

    def readConnectionLost(self) -> None:
        """
        All has come.
        """
        first = int.from_bytes(self._begin[:8], "big")
        if len(self._begin) == 16 and self._received == 16 + first:
            # It has sent what it said, and wants nothing.
            self.transport.loseConnection()
        else:
            self._decide(Header.WANTED).readConnectionLost()

    def writeConnectionLost(self) -> None:
        """
        Nothing is written here.
        """

    def _decide(self, header: Header) -> PerfResponder:
        """
        Hand the stream to a listener that knows.
        """
        responder = PerfResponder(self._clock, header)
        self.transport.protocol = responder
        responder.makeConnection(self.transport)
        if self._begin:
            responder.dataReceived(self._begin)
        return responder


class _UndecidedFactory(Factory):
    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Undecided:
        return Undecided(self._clock)


class PerfApplication(Application):
    """
    Its Redis is a string, for which the dialer looks again and again.

    @ivar upload: bytes of an upload.
    @ivar uploads: how many of these are measured.
    @ivar download: bytes of a download.
    @ivar downloads: how many of these.
    @ivar latencies: how often one byte is sent there and back.
    """

    def __init__(self, reactor: Any, variables: Mapping[str, str]) -> None:
        super().__init__(reactor, variables)
        self.upload = whole(variables, "UPLOAD_BYTES", 1 << 30)
        self.uploads = whole(variables, "UPLOAD_ITERATIONS", 10)
        self.download = whole(variables, "DOWNLOAD_BYTES", 1 << 30)
        self.downloads = whole(variables, "DOWNLOAD_ITERATIONS", 10)
        self.latencies = whole(variables, "LATENCY_ITERATIONS", 100)
        self.node.registry.register(PROTOCOL_ID, _UndecidedFactory(reactor))

    async def publish(self, redis: Redis, address: str) -> None:
        """
        Set the address.
        """
        await redis.call("SET", self.environment.key, address)

    async def find(self, redis: Redis) -> str:
        """
        Look until it is there.
        """
        timeout = self.environment.timeout
        until = self.reactor.seconds() + timeout
        while self.reactor.seconds() < until:
            address = await redis.call("GET", self.environment.key)
            if isinstance(address, str):
                return address
            await deferLater(self.reactor, POLL)
        raise UpgradeTimeout("the start of the listener", timeout)

    async def dial(self, address: str) -> list[str]:
        """
        Dial, and measure one after the other.

        How long that may take in all is not told; a transfer of which nothing
        moves ends by itself.
        """
        connection = await self.node.connect(address)
        header = await headerOf(self.reactor, connection)

        async def many(count: int, upload: int, download: int) -> list[Measurement]:
            return [
                await measure(self.reactor, connection, upload, download, header=header)
                for _ in range(count)
            ]

        uploads = await many(self.uploads, self.upload, 0)
        downloads = await many(self.downloads, 0, self.download)
        latencies = await many(self.latencies, 1, 1)
        return [
            *Summary.of(
                _gigabits(each.uploaded, each.uploadSeconds) for each in uploads
            ).lines("upload", "Gbps"),
            *Summary.of(
                _gigabits(each.downloaded, each.downloadSeconds) for each in downloads
            ).lines("download", "Gbps"),
            *Summary.of(
                (each.uploadSeconds + each.downloadSeconds) * 1000 for each in latencies
            ).lines("latency", "ms"),
        ]


def _gigabits(size: int, seconds: float) -> float:
    """
    Give the rate in Gbit/s.
    """
    return size * 8 / seconds / 1e9
