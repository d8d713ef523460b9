# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
STUN (RFC 8489), as far as ICE needs it for WebRTC-direct: one request and its answer.

A listener keeps no state for a request: the password is the user name itself, in both
versions of WebRTC-direct.  So an answer proves nothing about the peer but that it
knows the form; DTLS has its cookie, and Noise the identity.
"""

from __future__ import annotations

import hmac
import re
import struct
import zlib
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

__all__ = [
    "PREFIXES",
    "Request",
    "answered",
    "isStun",
    "makeRequest",
    "readRequest",
    "respond",
]

#: The beginning of the user names of the versions.
PREFIXES: Final = ("libp2p+webrtc+v1/", "libp2p+webrtc+v2/")

#: The bytes of a user name: more than 22 for enough randomness, and not more than 256
#: (RFC 8839, 5.4).
_UFRAG: Final = re.compile(rb"libp2p\+webrtc\+v[12]/[A-Za-z0-9+/]{5,238}")
_ANY_UFRAG: Final = re.compile(rb"[A-Za-z0-9+/]{4,256}")

_MAGIC: Final = 0x2112A442
_REQUEST, _SUCCESS = 0x0001, 0x0101
_HEAD: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_INTEGRITY_SIZE: Final = 20

# Attributes (RFC 8489, 18.3; RFC 8445, 16.1).
_USERNAME, _INTEGRITY, _MAPPED, _FINGERPRINT = 0x0006, 0x0008, 0x0020, 0x8028
_PRIORITY, _USE_CANDIDATE, _CONTROLLING = 0x0024, 0x0025, 0x802A

_FINGERPRINT_MASK: Final = 0x5354554E

#: The priority of a host candidate (RFC 8445, 5.1.2).
_HOST_PRIORITY: Final = 0x6E7F00FF


def isStun(data: bytes) -> bool:
    """
    Check whether a datagram is one of STUN, by its first byte (RFC 7983).
    """
    return data[:1] in (b"\0", b"\1")


@dataclass(frozen=True, slots=True)
class Request:
    """
    A valid request.

    @ivar transaction: its number, which the answer repeats.
    @ivar server: the user name of the listener, and the password.
    @ivar client: the user name of the dialer.
    """

    transaction: bytes
    server: bytes
    client: bytes


def _attributes(data: bytes) -> tuple[dict[int, bytes], int] | None:
    """
    Split a message into its attributes, up to that of its integrity.

    @return: the attributes, and where that one begins; None if there is none, or the
        message is broken.
    """
    found: dict[int, bytes] = {}
    place = _HEAD.size
    while place + _ATTRIBUTE.size <= len(data):
        kind, size = _ATTRIBUTE.unpack_from(data, place)
        value = data[place + 4 : place + 4 + size]
        if len(value) < size:
            return None
        if kind == _INTEGRITY:
            return (found, place) if size == _INTEGRITY_SIZE else None
        found.setdefault(kind, value)
        place += 4 + size + -size % 4
    return None


def _digest(data: bytes, place: int, password: bytes) -> bytes:
    """
    Return the integrity of a message that ends with it.

    @param place: where its attribute begins.
    """
    size = place + 4 + _INTEGRITY_SIZE - _HEAD.size
    signed = data[:2] + size.to_bytes(2, "big") + data[4:place]
    return hmac.digest(password, signed, "sha1")


def _checked(data: bytes, kind: int) -> tuple[dict[int, bytes], int] | None:
    """
    Read a message of a kind; None if it is another one, or broken.
    """
    if len(data) < _HEAD.size:
        return None
    type_, size, magic, _ = _HEAD.unpack_from(data)
    if (type_, size, magic) != (kind, len(data) - _HEAD.size, _MAGIC):
        return None
    return _attributes(data)


def readRequest(data: bytes) -> Request | None:
    """
    Read a request of a dialer of WebRTC-direct.

    @return: None for anything else, which gets no answer.
    """
    read = _checked(data, _REQUEST)
    if read is None:
        return None
    attributes, place = read
    server, colon, client = attributes.get(_USERNAME, b"").partition(b":")
    if not (colon and _UFRAG.fullmatch(server) and _ANY_UFRAG.fullmatch(client)):
        return None
    integrity = data[place + 4 : place + 4 + _INTEGRITY_SIZE]
    if not hmac.compare_digest(_digest(data, place, server), integrity):
        return None
    return Request(data[8 : _HEAD.size], server, client)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, body: bytes, password: bytes) -> bytes:
    """
    Make a message, with its integrity and its checksum.
    """

    def head(size: int) -> bytes:
        return _HEAD.pack(kind, size, _MAGIC, transaction)

    place = _HEAD.size + len(body)
    digest = _digest(head(0) + body, place, password)
    body += _attribute(_INTEGRITY, digest)
    checksum = zlib.crc32(head(len(body) + 8) + body) ^ _FINGERPRINT_MASK
    body += _attribute(_FINGERPRINT, checksum.to_bytes(4, "big"))
    return head(len(body)) + body


def respond(request: Request, host: str, port: int) -> bytes:
    """
    Make the answer to a request: shorter than any request that is answered.

    @param host: the IP address from which it has come.
    """
    packed = ip_address(host.partition("%")[0]).packed
    mask = _MAGIC.to_bytes(4, "big") + request.transaction
    mapped = struct.pack(
        "!BBH", 0, 1 if len(packed) == 4 else 2, port ^ (_MAGIC >> 16)
    ) + bytes(each ^ other for each, other in zip(packed, mask, strict=False))
    body = _attribute(_MAPPED, mapped)
    return _message(_SUCCESS, request.transaction, body, request.server)


def makeRequest(ufrag: bytes, transaction: bytes, tie: bytes) -> bytes:
    """
    Make the request of a dialer, which controls ICE.

    @param ufrag: the user name of both sides, and the password.
    @param transaction: 12 random bytes.
    @param tie: 8 random bytes of the connection.
    """
    body = (
        _attribute(_USERNAME, ufrag + b":" + ufrag)
        + _attribute(_PRIORITY, _HOST_PRIORITY.to_bytes(4, "big"))
        + _attribute(_CONTROLLING, tie)
        + _attribute(_USE_CANDIDATE, b"")
    )
    return _message(_REQUEST, transaction, body, ufrag)


def answered(data: bytes, ufrag: bytes) -> bytes | None:
    """
    Read an answer to a request of ours.

    @return: its transaction; None for anything else.
    """
    read = _checked(data, _SUCCESS)
    if read is None:
        return None
    _, place = read
    integrity = data[place + 4 : place + 4 + _INTEGRITY_SIZE]
    if not hmac.compare_digest(_digest(data, place, ufrag), integrity):
        return None
    return data[8 : _HEAD.size]
