# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The header of the PROXY protocol, by which a proxy states the address of its client:
U{https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt}.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Any, Final, NamedTuple

from twisted_libp2p.errors import HandshakeFailed

__all__ = ["MAX_HEADER", "NAME", "ProxyHeader", "readProxyHeader", "writeProxyHeader"]

#: The name of this protocol in errors.
NAME: Final = "PROXY protocol"

#: The maximum size of a header of version 2, in bytes.
MAX_HEADER: Final = 2048

_TEXT: Final = b"PROXY "
_BINARY: Final = b"\r\n\r\n\0\r\nQUIT\n"

#: The maximum size of a header of version 1, in bytes.
_MAX_TEXT: Final = 107

# The signature, version and command, family and protocol, and the size of the rest.
_START = Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_FAMILIES: Final = {
    0x11: (IPv4Address, Struct("!4s4sHH")),
    0x21: (IPv6Address, Struct("!16s16sHH")),
}


class ProxyHeader(NamedTuple):
    """
    The header at the beginning of a connection.

    @ivar size: its size in bytes; 0 if there is no header.
    @ivar client: the IP address and the port of the client; None if the header has
        none, such as that of a health check.
    """

    size: int
    client: tuple[str, int] | None


def readProxyHeader(data: bytes) -> ProxyHeader | None:
    """
    Read the header at the beginning of a connection.

    @return: None if more bytes are needed.
    @raise HandshakeFailed: the header is malformed.
    """
    for signature, read in ((_TEXT, _readText), (_BINARY, _readBinary)):
        begin = data[: len(signature)]
        if signature.startswith(begin):
            return read(data) if begin == signature else None
    return ProxyHeader(0, None)


def _readText(data: bytes) -> ProxyHeader | None:
    """
    Read a header of version 1, which is a line.
    """
    end = data.find(b"\r\n", 0, _MAX_TEXT)
    if end < 0:
        if len(data) >= _MAX_TEXT:
            raise HandshakeFailed(NAME, f"a header of over {_MAX_TEXT} bytes")
        return None
    line = data[:end].decode("latin-1")
    fields = line.split(" ")
    size = end + 2
    if fields[1] == "UNKNOWN":
        return ProxyHeader(size, None)
    try:
        _, family, client, server, port, ownPort = fields
        hosts = ip_address(client), ip_address(server)
        ports = int(port), int(ownPort)
        wanted = {"TCP4": 4, "TCP6": 6}[family]
    except (KeyError, ValueError):
        raise HandshakeFailed(NAME, "a malformed header") from None
    if {each.version for each in hosts} != {wanted} or not all(
        0 <= each <= 0xFFFF for each in ports
    ):
        raise HandshakeFailed(NAME, "a malformed header")
    return ProxyHeader(size, (str(hosts[0]), ports[0]))


def _readBinary(data: bytes) -> ProxyHeader | None:
    """
    Read a header of version 2.
    """
    if len(data) < _START.size:
        return None
    _, command, family, rest = _START.unpack_from(data)
    size = _START.size + rest
    if command not in (_LOCAL, _PROXY):
        raise HandshakeFailed(NAME, "an unknown version or command")
    if size > MAX_HEADER:
        raise HandshakeFailed(NAME, f"a header of over {MAX_HEADER} bytes")
    if len(data) < size:
        return None
    if command == _LOCAL or family not in _FAMILIES:
        return ProxyHeader(size, None)
    kind, fields = _FAMILIES[family]
    if rest < fields.size:
        raise HandshakeFailed(NAME, "a header without an address")
    client, _, port, _ = fields.unpack_from(data, _START.size)
    return ProxyHeader(size, (str(kind(client)), port))


def writeProxyHeader(
    client: tuple[str, int] | None, fields: Mapping[int, bytes] | None = None
) -> bytes:
    """
    Make a header of version 2.

    @param client: the IP address and the port of the client; None if they are not
        known.
    @param fields: further facts, by their type (section 2.2); those of an application
        have the types 0xE0 to 0xEF.
    """
    family, address = 0, b""
    if client is not None:
        host: Any = ip_address(client[0])
        family = 0x11 if host.version == 4 else 0x21
        _, layout = _FAMILIES[family]
        # The address of the server is not known here, and nobody reads it.
        address = layout.pack(host.packed, bytes(len(host.packed)), client[1], 0)
    rest = address + b"".join(
        bytes((number,)) + len(value).to_bytes(2, "big") + value
        for number, value in (fields or {}).items()
    )
    return _START.pack(_BINARY, _PROXY, family, len(rest)) + rest
