# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
SCTP by hand, over the DTLS of OpenSSL: packets and chunks that no library sends.

The peer has no socket: datagrams go in and come out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

__all__ = ["Chunk", "Piece", "SctpPeer", "chunk", "piece"]

#: The port of SCTP in WebRTC.
_PORT: Final = 5000

_PACKET: Final = struct.Struct("!HHI4s")
_CHUNK: Final = struct.Struct("!BBH")
_RECORD: Final = 13

#: The kinds of payload (RFC 8831, 8).
_DCEP, _BINARY = 50, 53

#: A message that opens a reliable and ordered channel.
_OPEN: Final = b"\x03" + bytes(11)

_STATE_COOKIE = 7

#: The parameter by which channels are closed (RFC 6525, 4.1).
_RESET = 13


class Chunk(IntEnum):
    """
    The types of chunks.
    """

    DATA = 0
    INIT = 1
    INIT_ACK = 2
    SACK = 3
    HEARTBEAT = 4
    COOKIE_ECHO = 10
    COOKIE_ACK = 11
    RECONFIG = 130


class Piece(IntFlag):
    """
    The part of a message that a piece is.
    """

    MIDDLE = 0
    LAST = 1
    FIRST = 2
    WHOLE = 3


def _table() -> tuple[int, ...]:
    found = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        found.append(number)
    return tuple(found)


_TABLE: Final = _table()


def _checksum(data: bytes) -> bytes:
    """
    Return the CRC32c of a packet.
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return (value ^ 0xFFFFFFFF).to_bytes(4, "little")


def chunk(kind: int, value: bytes, flags: int = 0) -> bytes:
    """
    Make a chunk.
    """
    head = _CHUNK.pack(kind, flags, _CHUNK.size + len(value))
    return head + value + bytes(-len(value) % 4)


def piece(
    number: int,
    channel: int,
    order: int,
    data: bytes,
    part: Piece = Piece.WHOLE,
    kind: int = _BINARY,
) -> bytes:
    """
    Make a chunk with a piece of a message.

    @param number: its number in the association.
    @param order: the number of the message in its channel.
    @param kind: the kind of the payload.
    """
    head = struct.pack("!IHHI", number & 0xFFFFFFFF, channel, order & 0xFFFF, kind)
    return chunk(Chunk.DATA, head + data, part)


def _chunks(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """
    Split a packet into its chunks: their types and values.
    """
    place = _PACKET.size
    while place + _CHUNK.size <= len(packet):
        kind, _, size = _CHUNK.unpack_from(packet, place)
        yield kind, packet[place + _CHUNK.size : place + size]
        place += max(size, _CHUNK.size) + -size % 4


def _context(certified: bool) -> SSL.Context:
    """
    Return the settings of a client.

    @param certified: whether it shows a certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.DTLS_METHOD)
    if certified:
        context.use_certificate(certificate)
        context.use_privatekey(key)
    context.set_verify(SSL.VERIFY_NONE, lambda *each: True)
    return context


class SctpPeer:
    """
    A dialer.

    @ivar out: the datagrams to send.
    @ivar ready: whether the association is open.
    @ivar number: the number of the next piece.
    @ivar acknowledged: the number of the last piece that the listener has acknowledged.
    @ivar window: the bytes that it takes.
    @ivar ended: whether the listener has announced the end of the connection.
    """

    def __init__(self, certified: bool = True) -> None:
        """
        @param certified: whether it shows a certificate.
        """
        self._tls = SSL.Connection(_context(certified), None)
        self._tls.set_connect_state()
        self._tls.set_ciphertext_mtu(1200)
        self._tag = b""
        self._secure = False
        self.out: list[bytes] = []
        self.ready = False
        self.number = 1000
        self.acknowledged = self.number - 1
        self.window = 0
        self.ended = False
        self._resets = self.number
        self._turn()

    def receive(self, datagram: bytes) -> None:
        """
        Take a datagram.
        """
        self._tls.bio_write(datagram)
        self._turn()

    def _turn(self) -> None:
        try:
            if not self._secure:
                self._tls.do_handshake()
                self._secure = True
                first = struct.pack("!IIHHI", 7, 1 << 20, 1024, 1024, self.number)
                self.send(chunk(Chunk.INIT, first))
            while True:
                self._received(self._tls.recv(65536))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
        except SSL.Error:
            # The listener has ended it.
            pass
        finally:
            self._flush()

    def _flush(self) -> None:
        """
        Split the output of DTLS into its records.
        """
        try:
            data = self._tls.bio_read(1 << 24)
        except SSL.WantReadError:
            return
        while data:
            size = _RECORD + int.from_bytes(data[_RECORD - 2 : _RECORD], "big")
            self.out.append(data[:size])
            data = data[size:]

    def _received(self, packet: bytes) -> None:
        for kind, value in _chunks(packet):
            if kind == Chunk.INIT_ACK:
                self._tag = value[:4]
                place = 16
                while place + 4 <= len(value):
                    name, size = struct.unpack_from("!HH", value, place)
                    if name == _STATE_COOKIE:
                        cookie = value[place + 4 : place + size]
                        self.send(chunk(Chunk.COOKIE_ECHO, cookie))
                    place += max(size, 4) + -size % 4
            elif kind == Chunk.COOKIE_ACK:
                self.ready = True
            elif kind == Chunk.SACK:
                self.acknowledged, self.window = struct.unpack_from("!II", value)

    def send(self, *chunks: bytes) -> None:
        """
        Send a packet.
        """
        head = _PACKET.pack(_PORT, _PORT, int.from_bytes(self._tag, "big"), bytes(4))
        packet = bytearray(head + b"".join(chunks))
        packet[8:12] = _checksum(bytes(packet))
        self._tls.send(bytes(packet))
        self._flush()

    def close(self) -> None:
        """
        End DTLS, and so the connection.
        """
        self._tls.shutdown()
        self._flush()

    def next(
        self,
        channel: int,
        order: int,
        data: bytes,
        part: Piece = Piece.WHOLE,
        kind: int = _BINARY,
    ) -> bytes:
        """
        Make the next piece.
        """
        made = piece(self.number, channel, order, data, part, kind)
        self.number += 1
        return made

    def open(self, channel: int) -> None:
        """
        Open a channel, by its first message.
        """
        self.send(self.next(channel, 0, _OPEN, kind=_DCEP))

    def reset(self, *channels: int) -> None:
        """
        Close channels.
        """
        identifiers = struct.pack(f"!{len(channels)}H", *channels)
        head = struct.pack(
            "!HHIII",
            _RESET,
            16 + len(identifiers),
            self._resets,
            0,
            self.number - 1,
        )
        self._resets += 1
        self.send(chunk(Chunk.RECONFIG, head + identifiers))
