# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Packets and frames of QUIC that aioquic would not send.
"""

from __future__ import annotations

from typing import Any

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicPacketType, encode_quic_retry
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

__all__ = [
    "PIECE",
    "close",
    "crypto",
    "frame",
    "helloOf",
    "ids",
    "onlooker",
    "retry",
    "sealed",
    "stream",
    "varint",
    "versions",
]

#: The most bytes of frames in one packet.
PIECE = 1100

_PING = 1
_CRYPTO = 0x06
_STREAM = 0x0C
_CLOSE = 0x1C


def varint(number: int) -> bytes:
    """
    Encode a number.
    """
    buffer = Buffer(capacity=8)
    buffer.push_uint_var(number)
    encoded: bytes = buffer.data
    return encoded


def frame(kind: int, *items: int | bytes) -> bytes:
    """
    Make a frame of numbers and bytes, as they follow each other.
    """
    parts = [each if isinstance(each, bytes) else varint(each) for each in items]
    return varint(kind) + b"".join(parts)


def stream(number: int, offset: int, data: bytes, fin: bool = False) -> bytes:
    """
    Make a STREAM frame, with its length.
    """
    return frame(_STREAM | 0x02 | fin, number, offset, len(data), data)


def crypto(offset: int, data: bytes) -> bytes:
    """
    Make a CRYPTO frame.
    """
    return frame(_CRYPTO, offset, len(data), data)


def close(code: int) -> bytes:
    """
    Make a CONNECTION_CLOSE frame of the transport.
    """
    return frame(_CLOSE, code, 0, 0)


def sealed(quic: QuicConnection, frames: bytes) -> bytes:
    """
    Make a packet of a connection that is established, with a PING before the frames.
    """
    builder = QuicPacketBuilder(
        host_cid=quic.host_cid,
        peer_cid=quic._peer_cid.cid,
        version=1,
        is_client=quic.configuration.is_client,
        max_datagram_size=1452,
        packet_number=quic._packet_number,
    )
    quic._packet_number += 1
    return _built(builder, QuicPacketType.ONE_RTT, quic._cryptos[Epoch.ONE_RTT], frames)


def onlooker(
    original: bytes,
    target: bytes,
    source: bytes,
    frames: bytes,
    *,
    number: int = 0,
    token: bytes = b"",
    byListener: bool = False,
) -> bytes:
    """
    Make an Initial packet, for which nothing has to be known that was not sent in the
    clear.

    @param original: the first connection id to which the dialer has sent.
    @param target: the connection id of the receiver.
    @param source: the connection id of the sender.
    @param number: the number of the packet.
    @param byListener: whether it is to look like a packet of the listener.
    """
    pair = CryptoPair()
    pair.setup_initial(cid=original, is_client=not byListener, version=1)
    builder = QuicPacketBuilder(
        host_cid=source,
        peer_cid=target,
        version=1,
        is_client=not byListener,
        max_datagram_size=1200,
        packet_number=number,
        peer_token=token,
    )
    return _built(builder, QuicPacketType.INITIAL, pair, frames)


def _built(
    builder: QuicPacketBuilder, kind: QuicPacketType, pair: CryptoPair, frames: bytes
) -> bytes:
    builder.start_packet(kind, pair)
    builder.start_frame(_PING, capacity=1).push_bytes(frames)
    datagram: bytes = builder.flush()[0][0]
    return datagram


def helloOf(quic: QuicConnection) -> bytes:
    """
    Return the ClientHello of a dialer that has begun to connect.
    """
    sender: Any = quic._crypto_streams[Epoch.INITIAL].sender
    return bytes(sender._buffer)


def ids(data: bytes) -> tuple[bytes, bytes]:
    """
    Return the connection ids of a long header: the receiver's and the sender's.
    """
    at = 6 + data[5]
    return data[6:at], data[at + 1 : at + 1 + data[at]]


def versions(
    target: bytes, source: bytes, offered: bytes = b"\x1a\x2a\x3a\x4a"
) -> bytes:
    """
    Make a Version Negotiation packet, which offers nothing of use by default.
    """
    both = bytes((len(target),)) + target + bytes((len(source),)) + source
    return b"\x80" + bytes(4) + both + offered


def retry(original: bytes, target: bytes, source: bytes, token: bytes) -> bytes:
    """
    Make a Retry packet: its checksum needs nothing that was not sent in the clear.
    """
    return encode_quic_retry(
        version=1,
        source_cid=source,
        destination_cid=target,
        original_destination_cid=original,
        retry_token=token,
    )
