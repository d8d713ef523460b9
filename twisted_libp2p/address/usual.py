# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The forms that most addresses have: C{/ip4/…/tcp/…} and C{/ip4/…/udp/…/quic-v1}.
"""

from __future__ import annotations

from socket import inet_ntoa
from typing import Final

from twisted_libp2p.wire import varint

__all__ = ["IP4", "USUAL_SIZES", "isUsual", "usualText"]

#: The code of C{/ip4}.
IP4: Final = 4

# The other codes, of one byte and of two.
_TCP: Final = 6
_UDP, _QUIC = varint.encode(273), varint.encode(461)

#: The sizes of both forms, in bytes.
USUAL_SIZES: Final = (8, 11)
_TCP_SIZE, _QUIC_SIZE = USUAL_SIZES


def isUsual(encoded: bytes) -> bool:
    """
    Check whether bytes are an address of a usual form.  Any bytes are an IPv4 address
    and a port.
    """
    size = len(encoded)
    if size == _TCP_SIZE:
        return encoded[0] == IP4 and encoded[5] == _TCP
    return (
        size == _QUIC_SIZE
        and encoded[0] == IP4
        and encoded[5:7] == _UDP
        and encoded[9:] == _QUIC
    )


def usualText(encoded: bytes) -> str | None:
    """
    Return the text of an address of a usual form, without cutting it into components:
    each connection is logged with one.

    @param encoded: the bytes of a valid address.
    @return: None for other forms.
    """
    if not isUsual(encoded):
        return None
    host = inet_ntoa(encoded[1:5])
    if len(encoded) == _TCP_SIZE:
        return f"/ip4/{host}/tcp/{int.from_bytes(encoded[6:8], 'big')}"
    return f"/ip4/{host}/udp/{int.from_bytes(encoded[7:9], 'big')}/quic-v1"
