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
from struct import Struct
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from tests.fuzz.muxers import failures
from tests.fuzz.target import target
from tests.vectors import hexBytes, vector
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection import Connection
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.identity import Identity, PrivateKey
from twisted_libp2p.negotiation.multistream import HEADER, encode
from twisted_libp2p.protocols import echo, identify, ping
from twisted_libp2p.security import plaintext
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.identify_pb2 import Identify
from twisted_libp2p.wire.plaintext_pb2 import Exchange
from twisted_libp2p.wire.varint import encode as varint

_OURS, _THEIRS = (
    Identity(
        PrivateKey.fromBytes(hexBytes(vector(f"key.test_identity_0{n}"), "private"))
    )
    for n in (1, 2)
)

# The wire once more: nothing of what is tested writes these frames.
_HEAD: Final = Struct("!BBHII")

_EXCHANGE: Final = delimit(
    Exchange(
        id=_THEIRS.peerID.toBytes(), pubkey=_THEIRS.publicKey.toBytes()
    ).SerializeToString()
)

_MUXERS: Final = ("/yamux/1.0.0", "/mplex/6.7.0")
_ECHO: Final = "/echo/1.0.0"

_TOLD: Final = delimit(
    Identify(
        agentVersion="fuzz",
        publicKey=_THEIRS.publicKey.toBytes(),
        protocols=[identify.PUSH_PROTOCOL_ID, _ECHO],
        listenAddrs=[Multiaddr("/memory/77").toBytes()],
    ).SerializeToString()
)

#: What is worth to be said on a stream, or anywhere.
_TEXTS: Final = (
    *(HEADER, b"\x03na\n", b"\x03ls\n", _TOLD, bytes(32), _EXCHANGE),
    *(encode(each) for each in (_ECHO, ping.PROTOCOL_ID, identify.PROTOCOL_ID)),
    *(HEADER + encode(each) for each in (_ECHO, ping.PROTOCOL_ID, "/reader/1.0.0")),
    *(
        HEADER + encode(each)
        for each in (identify.PROTOCOL_ID, identify.PUSH_PROTOCOL_ID)
    ),
    HEADER + encode(identify.PUSH_PROTOCOL_ID) + _TOLD,
    HEADER + encode(identify.PROTOCOL_ID) + _TOLD,
    HEADER + encode("/nobody/1.0.0"),
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
        self._factory = Factory.forProtocol(self._build)
        self._factory.noisy = False
        self.node = self._nodes.start(
            identity=_OURS,
            security=["insecure-plaintext"],
            muxers=["yamux", "mplex"],
            dialect="bootstrap" if self._bootstrap else "multistream",
        )
        self.node.registry.register(_ECHO, echo.EchoFactory())
        self.node.registry.register("/reader/1.0.0", self._factory)
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
            factory = Factory.forProtocol(lambda: peer)
            factory.noisy = False
            self._nodes.result(transport.serverEndpoint(address).listen(factory))
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
        return HEADER + encode(protocol)

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
        transport = self._peers[-1].transport
        if transport is not None:
            transport.write(data)

    def frame(self, stream: int, number: int, text: bytes) -> bytes:
        """
        Make a frame of the muxer.
        """
        if self._muxer == _MUXERS[1]:
            return varint(stream << 3 | number & 7) + varint(len(text)) + text
        kind, flags = number & 3, number >> 2 & 15
        if kind == 0:
            return _HEAD.pack(0, 0, flags, stream, len(text)) + text
        value = int.from_bytes(text[:4], "big")
        return _HEAD.pack(0, kind, flags, stream, value)

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
        connection: Connection | None = connections[-1] if connections else None
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
                pinging = Factory.forProtocol(lambda: ping.Ping(self._nodes.clock))
                pinging.noisy = False
                self._expect(connection.openStream(ping.PROTOCOL_ID, pinging))
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
            if peer.transport is not None:
                peer.transport.resumeProducing()
                peer.transport.abortConnection()
        self._nodes.advance(patience)
        assert not len(self.node.connections)
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
