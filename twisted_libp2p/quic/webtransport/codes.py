# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The codes of WebTransport inside those of HTTP/3: an application has 32 bits, and HTTP/3
keeps every 31st number for itself (draft-ietf-webtrans-http3, 4.6).
"""

from __future__ import annotations

__all__ = ["NO_ERROR", "fromHttp", "toHttp"]

#: The code with which HTTP/3 ends a connection in peace.
NO_ERROR = 0x100

_FIRST = 0x52E4A40FA8DB
_LAST = 0x52E5AC983162
_RESERVED = 0x1E
_MOST = 0xFFFFFFFF


def toHttp(code: int) -> int:
    """
    Return the code of HTTP/3 for one of ours.  One of more than 32 bits becomes 0.
    """
    if not 0 <= code <= _MOST:
        code = 0
    return _FIRST + code + code // _RESERVED


def fromHttp(code: int) -> int:
    """
    Return our code for one of HTTP/3; 0 if WebTransport has no such code.
    """
    if not _FIRST <= code <= _LAST or (code - 0x21) % 0x1F == 0:
        return 0
    shifted = code - _FIRST
    return shifted - shifted // (_RESERVED + 1)
