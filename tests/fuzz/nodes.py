# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: a whole node, and a peer that says anything to it.

An input is read as a script: how far the peer upgrades honestly; then bytes and frames
of its own, most of which make sense, between things that our application does, and
time that passes.  Whatever comes of it: everything that is asked of the node is
answered, every event has its counterpart, and when the peer has gone, nothing of it is
left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from tests.attacks.raw import mplex, yamux
from tests.attacks.raw.multistream import HEADER, NA, message
from tests.attacks.raw.wire import delimited
from tests.fuzz.muxers import failures
from tests.fuzz.target import target
from tests.vectors import hexBytes, vector, vectorIdentity
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.protocols import echo, identify, ping
from twisted_libp2p.security import plaintext
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.wire.identify_pb2 import Identify

_THEIRS, _OURS = vectorIdentity(1), vectorIdentity(2)

_EXCHANGE: Final = hexBytes(vector("plaintext.exchange"), "wire")

_MUXERS: Final = (yamux.PROTOCOL_ID, mplex.PROTOCOL_ID)
_ECHO: Final = "/echo/1.0.0"
_READER: Final = "/reader/1.0.0"
_PING: Final = ping.PROTOCOL_ID
_IDENTIFY: Final = identify.PROTOCOL_ID
_PUSH: Final = identify.PUSH_PROTOCOL_ID

_TOLD: Final = delimited(
    Identify(
        agentVersion="fuzz",
        publicKey=_THEIRS.publicKey.toBytes(),
        protocols=[_PUSH, _ECHO],
        listenAddrs=[Multiaddr("/memory/77").toBytes()],
    ).SerializeToString()
)

#: What is worth to be said on a stream, or anywhere.
_TEXTS: Final = (
    *(HEADER, NA, message("ls"), _TOLD, bytes(32), _EXCHANGE),
    *(message(each) for each in (_ECHO, _PING, _IDENTIFY)),
    *(HEADER + message(each) for each in (_ECHO, _PING, _READER, _IDENTIFY, _PUSH)),
    HEADER + message(_PUSH) + _TOLD,
    HEADER + message(_IDENTIFY) + _TOLD,
    HEADER + message("/nobody/1.0.0"),
    *(each.encode() + b"\0" for each in (plaintext.PROTOCOL_ID, *_MUXERS)),
)

#: Seconds that may pass.
_WAITS: Final = (0.0, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)

#: How often the peer connects.
_MOST_PEERS: Final = 3

#: In so many seconds everything that a peer has left undone is over.
_PATIENCE: Final = 120.0

_EXPECTED: Final = (
    *(Libp2pError, ConnectionClosed, ConnectError, CancelledError),
    # mplex cannot ping.
    NotImplementedError,
)


#: What applications do with their streams.
_DEEDS: Final[tuple[Callable[[Any], object], ...]] = (
    lambda stream: stream.write(bytes(100_000)),
    lambda stream: stream.write(b"data"),
    lambda stream: stream.loseConnection(),
    lambda stream: stream.loseWriteConnection(),
    lambda stream: stream.abortConnection(),
    lambda stream: stream.pauseProducing(),
    lambda stream: stream.resumeProducing(),
)


def _quiet(build: Callable[[], Protocol]) -> Factory[Any]:
    factory: Factory[Any] = Factory.forProtocol(build)
    factory.noisy = False
    return factory


class _World:
    """
    A node, and a peer that is connected with it.
    """

    def __init__(self, head: int) -> None:
        """
        @param head: who opens the connection, in which dialect, with which muxer, and
            how far the peer upgrades honestly.
        """
        self._nodes = MemoryNodes()
        self._muxer = _MUXERS[head & 1]
        self._bootstrap = bool(head & 2)
        self._opened: Counter[Any] = Counter()
        self._waiting = 0
        self._served = 0
        self._applications: list[HalfCloseCollector] = []
        self._factory = _quiet(self._build)
        self.node = self._nodes.start(
            identity=_OURS,
            security=["insecure-plaintext"],
            muxers=["yamux", "mplex"],
            dialect="bootstrap" if self._bootstrap else "multistream",
        )
        self.node.registry.register(_ECHO, echo.EchoFactory())
        self.node.registry.register(_READER, self._factory)
        for event, count in (
            (OpenedConn, 1),
            (ClosedConn, -1),
            (OpenedStream, 1),
            (ClosedStream, -1),
        ):
            self.node.events.subscribe(event, self._count(count))
        self._peers: list[Any] = []
        self._join(bool(head & 4), 3 - (head >> 3 & 3))

    def _build(self) -> HalfCloseCollector:
        application = HalfCloseCollector()
        self._applications.append(application)
        return application

    def _join(self, dialed: bool, layers: int) -> None:
        """
        Connect the peer once more.

        @param dialed: whether the node dials it.
        @param layers: how many it upgrades honestly.
        """
        peer = Protocol()
        self._peers.append(peer)
        transport = MemoryTransport(self._nodes.network)
        if dialed:
            address = Multiaddr(f"/memory/{90 + len(self._peers)}")
            listening = transport.serverEndpoint(address).listen(_quiet(lambda: peer))
            self._nodes.result(listening)
            self._expect(self.node.connect(address))
        else:
            endpoint = transport.clientEndpoint(self.node.addresses[0].withoutPeer())
            self._nodes.result(connectProtocol(endpoint, peer))
        self._nodes.settle()
        honest = (self._name(plaintext.PROTOCOL_ID), _EXCHANGE, self._name(self._muxer))
        self.say(b"".join(honest[:layers]))
        self._nodes.settle()

    def _name(self, protocol: str) -> bytes:
        if self._bootstrap:
            return protocol.encode() + b"\0"
        return HEADER + message(protocol)

    def _count(self, number: int) -> Any:
        def count(event: Event) -> None:
            subject: Any = event
            key = getattr(subject, "stream", subject.connection)
            self._opened[key] += number
            assert self._opened[key] in (0, 1), event

        return count

    def _expect(self, result: Deferred[Any]) -> None:
        """
        Something is to come of this, in the end.
        """
        self._waiting += 1

        def done(outcome: object) -> None:
            self._waiting -= 1
            if isinstance(outcome, Failure):
                assert outcome.check(*_EXPECTED), outcome

        result.addBoth(done)

    def say(self, data: bytes) -> None:
        """
        The peer sends something.
        """
        self._peers[-1].transport.write(data)

    def frame(self, stream: int, number: int, text: bytes) -> bytes:
        """
        Make a frame of the muxer.
        """
        if self._muxer == mplex.PROTOCOL_ID:
            return mplex.frame(number & 7, stream, text)
        kind, flags = number & 3, number >> 2 & 15
        if kind == yamux.DATA:
            return yamux.frame(kind, flags, stream, body=text)
        return yamux.frame(kind, flags, stream, int.from_bytes(text[:4], "big"))

    def wait(self, seconds: float) -> None:
        """
        Time passes.
        """
        self._nodes.advance(seconds)

    def act(self, number: int) -> None:
        """
        Our application does something, or the peer does what is no message.
        """
        end = self._peers[-1].transport
        connections = list(self.node.connections)
        connection: IConnection | None = connections[-1] if connections else None
        match number:
            case 0:
                end.loseConnection()
            case 1:
                end.abortConnection()
            case 2:
                end.pauseProducing()
            case 3:
                end.resumeProducing()
            case 4:
                self._served += 1
                self.node.registry.register(f"/other/{self._served}", Factory())
            case 10 | 11 if len(self._peers) < _MOST_PEERS:
                self._join(number == 11, 3)
            case _ if connection is None:
                pass
            case 5:
                self._expect(connection.close())
            case 6:
                connection.abort(Failure(CancelledError()))
            case 7:
                self._expect(connection.ping())
            case 8:
                names = (_ECHO, "/nobody/1.0.0")[: 1 + len(self._applications) % 2]
                self._expect(connection.openStream(names, self._factory))
            case 9:
                factory = _quiet(lambda: ping.Ping(self._nodes.clock))
                self._expect(connection.openStream(_PING, factory))
            case _:
                for application in self._applications:
                    if application.transport is not None:
                        _DEEDS[number % len(_DEEDS)](application.transport)

    def end(self, patience: float) -> None:
        """
        The peer is gone, and so is everything about it, before the node stops or then.

        @param patience: seconds between the one and the other.
        """
        for peer in self._peers:
            peer.transport.resumeProducing()
            peer.transport.abortConnection()
        self._nodes.advance(patience)
        assert not len(self.node.connections)
        # An application that has paused keeps what had come whole until it reads on.
        for application in self._applications:
            while application.transport is not None and not application.reasons:
                application.stream.resumeProducing()
                self._nodes.advance(0)
        assert not any(self._opened.values()), self._opened
        self._nodes.stop()
        assert not self._waiting


@target
def nodes(data: bytes) -> None:
    """
    A whole node.
    """
    failures.clear()
    script = iter(data)
    head = next(script, 0)
    world = _World(head)
    for byte in script:
        match byte & 7:
            case 0:
                world.wait(_WAITS[byte >> 3 & 7])
            case 1:
                world.act(byte >> 3)
            case 2:
                world.say(_text(script))
            case _:
                world.say(world.frame(byte >> 3, next(script, 0), _text(script)))
    world.end(_PATIENCE if head & 32 else 0.0)
    assert not failures, failures


def _text(script: Iterator[int]) -> bytes:
    """
    Read a text: its number, or its size and itself.
    """
    number = next(script, 0)
    if number > 0x7F:
        return _TEXTS[number % len(_TEXTS)]
    return bytes(islice(script, number))
