# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The forms that most addresses have: C{/ip4/…/tcp/…} and C{/ip4/…/udp/…/quic-v1}.
"""

from __future__ import annotations

from socket import inet_ntoa
from typing import Final

from twisted_libp2p.wire import varint

__all__ = ["IP4", "IP4_TCP_SIZE", "TCP", "UDP_QUIC", "usualText"]

# The codes of two protocols, each of one byte.
IP4: Final = 4
TCP: Final = 6

#: The size of C{/ip4/…/tcp/…}, in bytes.
IP4_TCP_SIZE: Final = 8

#: The bytes of C{/ip4/…/udp/…/quic-v1} after those of the IP address, without the port.
UDP_QUIC: Final = varint.encode(273) + varint.encode(461)


def usualText(encoded: bytes) -> str | None:
    """
    Return the text of an address of a usual form, without cutting it into components:
    each connection is logged with one.

    @param encoded: the bytes of a valid address.
    @return: None for other forms.
    """
    if not encoded or encoded[0] != IP4:
        return None
    if len(encoded) == IP4_TCP_SIZE and encoded[5] == TCP:
        port = int.from_bytes(encoded[6:8], "big")
        return f"/ip4/{inet_ntoa(encoded[1:5])}/tcp/{port}"
    if encoded[5:7] + encoded[9:] == UDP_QUIC:
        port = int.from_bytes(encoded[7:9], "big")
        return f"/ip4/{inet_ntoa(encoded[1:5])}/udp/{port}/quic-v1"
    return None
