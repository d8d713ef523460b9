# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The first bytes of a connection, which say for which of the transports of a TCP port it
is.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_libp2p.interfaces import FirstBytes

__all__ = ["recognize"]

#: What multistream-select and the draft's bootstrap begin with: the length of a header,
#: and the slash of a protocol id.
_LIBP2P: Final = b"\x13/"

#: What each record of a TLS handshake begins with.
_TLS: Final = 0x16

# In a private network the first bytes are random, and are mistaken for one of these
# once in 10^9 connections.
_CLIENT_HELLO = re.compile(rb"\x16\x03[\x01-\x03][\x00-\x40].\x01", re.DOTALL)
_GET: Final = b"GET /"
_CLIENT_HELLO_SIZE: Final = 6


def recognize(data: bytes, private: bool) -> FirstBytes | None:
    """
    Return the kind of the first bytes of a connection.  Bytes of no kind are left to
    the negotiation of libp2p, which refuses them.

    @param data: at least one byte.
    @param private: whether the port is one of a private network.
    @return: None if more bytes are needed.
    """
    if private:
        return _recognizePrivate(data)
    first = data[0]
    if first in _LIBP2P:
        return FirstBytes.LIBP2P
    if first == _TLS:
        return FirstBytes.TLS
    return FirstBytes.HTTP if data[:1].isupper() else FirstBytes.LIBP2P


def _recognizePrivate(data: bytes) -> FirstBytes | None:
    """
    Do the same where the other connections begin with random bytes.
    """
    begin = data[: len(_GET)]
    if _GET.startswith(begin):
        return FirstBytes.HTTP if begin == _GET else None
    if data[0] != _TLS:
        return FirstBytes.RANDOM
    if len(data) < _CLIENT_HELLO_SIZE:
        return None
    return FirstBytes.TLS if _CLIENT_HELLO.match(data) else FirstBytes.RANDOM
