# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Frames of RFC 6455 made and read by hand, as a foreign or hostile peer would, and two
layers in memory.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.testing.pump import Pump, inReads
from twisted_libp2p.transport.websocket.layer import WebSocketFactory, WebSocketLayer
from twisted_libp2p.transport.websocket.opening import (
    ClientOpening,
    Opening,
    ServerOpening,
)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

#: A request as browsers send it, and the key that its answer has to hold.
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 192.0.2.1:4001\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    mask: bytes | None = None,
    reserved: int = 0,
    size: bytes | None = None,
) -> bytes:
    """
    Make a frame.

    @param mask: four bytes, as clients have to; None for a frame of a server.
    @param reserved: the three reserved bits.
    @param size: the bytes of the size, instead of the right ones.
    """
    flag = 0x80 if mask is not None else 0
    if size is None:
        if len(payload) < 126:
            size = bytes((len(payload) | flag,))
        elif len(payload) < 65536:
            size = bytes((126 | flag,)) + len(payload).to_bytes(2, "big")
        else:
            size = bytes((127 | flag,)) + len(payload).to_bytes(8, "big")
    if mask is not None:
        payload = mask + masked(payload, mask)
    return bytes((fin << 7 | reserved << 4 | opcode,)) + size + payload


def masked(payload: bytes, mask: bytes) -> bytes:
    """
    Mask or unmask a payload.
    """
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def parsed(data: bytes) -> list[tuple[int, bool, bytes]]:
    """
    Read whole frames: the opcode, whether it is the last of its message, the payload.
    """
    found = []
    while data:
        size, rest = data[1] & 0x7F, data[2:]
        if size > 125:
            width = 2 if size == 126 else 8
            size, rest = int.from_bytes(rest[:width], "big"), rest[width:]
        payload = rest
        if data[1] & 0x80:
            payload, rest = masked(rest[4 : 4 + size], rest[:4]), rest[4:]
        found.append((data[0] & 15, bool(data[0] & 0x80), payload[:size]))
        data = rest[size:]
    return found


def code(payload: bytes) -> int:
    """
    Return the code of a close frame.
    """
    return int.from_bytes(payload[:2], "big")


class Recorder(Protocol):
    """
    Records what it receives, and how it ends.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.reads: list[bytes] = []
        self.reasons: list[Failure] = []
        self.first = b""

    def connectionMade(self) -> None:
        """
        Send the first bytes, if there are any.
        """
        if self.first:
            self.transport.write(self.first)

    def dataReceived(self, data: bytes) -> None:
        """
        Record them.
        """
        assert type(data) is bytes
        self.reads.append(data)
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Record it.
        """
        self.reasons.append(reason)


def layer(clock: Clock, opening: Callable[[], Opening], protocol: Any) -> Any:
    """
    Make the layer of one side.
    """

    class One(Factory):
        noisy = False

        def buildProtocol(self, addr: Any) -> Any:
            return protocol

    return WebSocketFactory(One(), opening, clock).buildProtocol(None)


def client(path: str = "/") -> ClientOpening:
    """
    Make the opening of a client.
    """
    return ClientOpening("192.0.2.1", 4001, False, path)


class Pair:
    """
    Two layers, connected in memory.
    """

    def __init__(
        self,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        first: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        self.clock = Clock()
        self.client, self.server = Recorder(), Recorder()
        self.client.first, self.server.first = first
        self.dialing: WebSocketLayer = layer(self.clock, client, self.client)
        self.listening: WebSocketLayer = layer(self.clock, ServerOpening, self.server)
        self.pump = Pump(self.dialing, self.listening, clock=self.clock, split=split)
        self.pump.connect()


class Raw:
    """
    One layer, and a peer by hand.

    @ivar upper: the protocol above the layer.
    @ivar peer: the other end, which is no WebSocket.
    """

    def __init__(
        self,
        server: bool = True,
        *,
        opening: Callable[[], Opening] | None = None,
        opened: bool = True,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
    ) -> None:
        self.clock = Clock()
        self.server = server
        self.upper, self.peer = Recorder(), Recorder()
        default: Callable[[], Opening] = ServerOpening if server else client
        self.layer: WebSocketLayer = layer(self.clock, opening or default, self.upper)
        self.pump = Pump(self.layer, self.peer, clock=self.clock, split=split)
        self.pump.connect()
        self.pump.flush()
        if opened:
            self.open()

    def open(self, behind: bytes = b"") -> None:
        """
        Do the peer's part of the opening handshake.

        @param behind: further bytes in the same piece.
        """
        if self.server:
            self.send(REQUEST + behind)
        else:
            self.send(answerTo(self.peer.received) + behind)
        self.peer.received = self.peer.received.partition(b"\r\n\r\n")[2]

    @property
    def mask(self) -> bytes | None:
        """
        The mask that the peer's frames have to have.
        """
        return MASK if self.server else None

    def send(self, data: bytes) -> None:
        """
        Let the peer send bytes.
        """
        self.peer.transport.write(data)
        self.pump.flush()

    def frames(self, *frames: tuple[int, bytes] | tuple[int, bytes, bool]) -> None:
        """
        Let the peer send frames, all together.
        """
        self.send(
            b"".join(
                frame(each[0], each[1], fin=each[-1] is not False, mask=self.mask)
                for each in frames
            )
        )

    @property
    def answers(self) -> list[tuple[int, bool, bytes]]:
        """
        The frames that the layer has sent.
        """
        return parsed(self.peer.received)


def answerTo(request: bytes, **headers: str) -> bytes:
    """
    Answer a request as a server has to.

    @param headers: other headers than the right ones; C{-} is C{_} in a name.
    """
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    magic = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key + magic).digest()).decode()
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Accept": accept,
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines])
    return f"{head}\r\n\r\n".encode()
