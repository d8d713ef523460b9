# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The protocols of multiaddrs: their codes, and their values in text and in bytes.

Codes and sizes are those of multiformats/multicodec, table.csv; the forms are
those of multiformats/multiaddr.  Every codec is strict in both directions: a value
that it accepts in one form comes back from the other form unchanged.

The codecs raise C{ValueError}, or its subclass L{InvalidInput
<twisted_libp2p.errors.InvalidInput>}, with a message that describes the fault;
L{twisted_libp2p.address.multiaddr} adds its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha3_256
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import multibase, varint

__all__ = ["BY_CODE", "BY_NAME", "Protocol"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """
    One protocol of a multiaddr.

    @ivar code: its number in the binary form.
    @ivar name: its name in the text form.
    @ivar size: the size of its value in bytes; None if the value is preceded by its
        length.
    @ivar toBytes: converts a value from text to bytes.
    @ivar toText: converts a value from bytes to text.
    @ivar path: whether the value is a path, whose slashes may be written as they are
        (L{twisted_libp2p.address.paths}).
    """

    code: int
    name: str
    size: int | None
    toBytes: Callable[[str], bytes]
    toText: Callable[[bytes], str]
    path: bool = False


def _number(text: str, largest: int) -> int:
    """
    Read a decimal number that has only digits.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(largest)):
        raise ValueError("not a number, or too large")
    if text[0] == "0" and text != "0":
        raise ValueError("a number with leading zeros")
    value = int(text)
    if value > largest:
        raise ValueError(f"more than {largest}")
    return value


def _ip4ToBytes(text: str) -> bytes:
    return IPv4Address(text).packed


def _ip4ToText(data: bytes) -> str:
    return ".".join(map(str, data))


def _ip6ToBytes(text: str) -> bytes:
    if "%" in text:
        raise ValueError("a zone belongs into /ip6zone")
    return IPv6Address(text).packed


def _ip6ToText(data: bytes) -> str:
    address = IPv6Address(data)
    # Python writes the mixed notation of RFC 5952 only since its version 3.13.
    if address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def _unsigned(size: int) -> tuple[Callable[[str], bytes], Callable[[bytes], str]]:
    """
    Return the codecs for a number of so many bytes.
    """

    def toBytes(text: str) -> bytes:
        return _number(text, (1 << 8 * size) - 1).to_bytes(size, "big")

    def toText(data: bytes) -> str:
        return str(int.from_bytes(data, "big"))

    return toBytes, toText


_portToBytes, _portToText = _unsigned(2)


def _prefixToBytes(text: str) -> bytes:
    return bytes((_number(text, 128),))


def _prefixToText(data: bytes) -> str:
    if data[0] > 128:
        raise ValueError("a prefix of more than 128 bits")
    return str(data[0])


def _checkName(text: str) -> str:
    # Names get into logs and resolvers, where a line end would do harm.
    if "/" in text or " " in text or not text.isprintable():
        raise ValueError("a name with a slash or a character that cannot be printed")
    return text


def _nameToBytes(text: str) -> bytes:
    return _checkName(text).encode()


def _nameToText(data: bytes) -> str:
    return _checkName(data.decode())


def _checkPath(path: str) -> str:
    # A slash at its end could not be distinguished from the end of the multiaddr.
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("a path that does not begin, or that ends, with a slash")
    if not path.isprintable():
        raise ValueError("a path with a character that cannot be printed")
    return path


def _pathToBytes(text: str) -> bytes:
    return _checkPath(text).encode()


def _pathToText(data: bytes) -> str:
    return _checkPath(data.decode())


def _httpPathToBytes(text: str) -> bytes:
    data = unquote_to_bytes(text)
    if "%" in text and data.count(b"%") != text.count("%25"):
        raise ValueError("a % without two hexadecimal digits")
    return data


def _httpPathToText(data: bytes) -> str:
    return quote_from_bytes(data, safe="$&+:=@")


def _peerToBytes(text: str) -> bytes:
    return PeerID.fromText(text).toBytes()


def _peerToText(data: bytes) -> str:
    return str(PeerID.fromBytes(data))


def _checkMultihash(data: bytes) -> bytes:
    code = varint.decode(data)
    size = varint.decode(data, code[1]) if code else None
    if size is None or size[0] == 0 or len(data) - size[1] != size[0]:
        raise ValueError("not a multihash")
    return data


def _certhashToBytes(text: str) -> bytes:
    return _checkMultihash(multibase.decode(text))


def _certhashToText(data: bytes) -> str:
    return multibase.encode("u", _checkMultihash(data))


def _onion(characters: int) -> tuple[Callable[[str], bytes], Callable[[bytes], str]]:
    """
    Return the codecs for an onion address and its port.

    @param characters: the size of the address in base32, where it needs no
        padding.
    """
    size = characters * 5 // 8

    def check(data: bytes) -> bytes:
        if data[size:] == b"\0\0":
            raise ValueError("port 0")
        return data

    def toBytes(text: str) -> bytes:
        host, colon, port = text.partition(":")
        if not colon or len(host) != characters:
            raise ValueError(f"not {characters} characters, a colon and a port")
        return check(multibase.decode("b" + host.lower()) + _portToBytes(port))

    def toText(data: bytes) -> str:
        check(data)
        host = multibase.encode("b", data[:size]).removeprefix("b")
        return f"{host}:{_portToText(data[size:])}"

    return toBytes, toText


_onion3ToBytes, _onion3ToText = _onion(56)

# The last byte of an address of Tor, and the text before the bytes of which the two
# bytes before it are a hash (Tor's rend-spec-v3, section 6).
_ONION_VERSION: Final = 3
_ONION_HASHED: Final = b".onion checksum"


def _checkOnion3(data: bytes) -> bytes:
    """
    Check the version and the checksum of an onion address: one that was mistyped leads
    nowhere.
    """
    key, checksum, version = data[:32], data[32:34], data[34]
    if version != _ONION_VERSION:
        raise ValueError(f"of version {version}, where {_ONION_VERSION} is known")
    expected = sha3_256(_ONION_HASHED + key + data[34:35]).digest()[:2]
    if checksum != expected:
        raise ValueError("its checksum is wrong, a character may be mistyped")
    return data


def _checkedOnion3ToBytes(text: str) -> bytes:
    return _checkOnion3(_onion3ToBytes(text))


def _checkedOnion3ToText(data: bytes) -> str:
    return _onion3ToText(_checkOnion3(data))


_NAME: Final = (None, _nameToBytes, _nameToText)
_PORT: Final = (2, _portToBytes, _portToText)
_NOTHING: Final = (0, str.encode, bytes.decode)

_PROTOCOLS: Final = (
    Protocol(4, "ip4", 4, _ip4ToBytes, _ip4ToText),
    Protocol(6, "tcp", *_PORT),
    Protocol(41, "ip6", 16, _ip6ToBytes, _ip6ToText),
    Protocol(42, "ip6zone", *_NAME),
    Protocol(43, "ipcidr", 1, _prefixToBytes, _prefixToText),
    Protocol(53, "dns", *_NAME),
    Protocol(54, "dns4", *_NAME),
    Protocol(55, "dns6", *_NAME),
    Protocol(56, "dnsaddr", *_NAME),
    Protocol(273, "udp", *_PORT),
    Protocol(280, "webrtc-direct", *_NOTHING),
    Protocol(281, "webrtc", *_NOTHING),
    Protocol(290, "p2p-circuit", *_NOTHING),
    Protocol(400, "unix", None, _pathToBytes, _pathToText, path=True),
    Protocol(421, "p2p", None, _peerToBytes, _peerToText),
    Protocol(443, "https", *_NOTHING),
    Protocol(444, "onion", 12, *_onion(16)),
    Protocol(445, "onion3", 37, _checkedOnion3ToBytes, _checkedOnion3ToText),
    Protocol(448, "tls", *_NOTHING),
    Protocol(449, "sni", *_NAME),
    Protocol(454, "noise", *_NOTHING),
    Protocol(460, "quic", *_NOTHING),
    Protocol(461, "quic-v1", *_NOTHING),
    Protocol(465, "webtransport", *_NOTHING),
    Protocol(466, "certhash", None, _certhashToBytes, _certhashToText),
    Protocol(477, "ws", *_NOTHING),
    Protocol(478, "wss", *_NOTHING),
    Protocol(480, "http", *_NOTHING),
    Protocol(481, "http-path", None, _httpPathToBytes, _httpPathToText),
    # In the form of rust-libp2p; others differ, as it never leaves a process.
    Protocol(777, "memory", 8, *_unsigned(8)),
)

BY_CODE: Final[dict[int, Protocol]] = {each.code: each for each in _PROTOCOLS}

# /ipfs is how /p2p was once written.
BY_NAME: Final[dict[str, Protocol]] = {
    **{each.name: each for each in _PROTOCOLS},
    "ipfs": BY_CODE[421],
}
