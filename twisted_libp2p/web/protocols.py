# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The list of the application protocols that a peer serves over HTTP (libp2p/specs,
http/README.md, "Namespace").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from twisted_libp2p.errors import ProtocolViolation

__all__ = [
    "HTTP_ID",
    "MAX_PROTOCOLS",
    "PROTOCOLS_PATH",
    "parseProtocols",
    "writeProtocols",
]

#: The protocol of streams with one request of HTTP/1.1.
HTTP_ID: Final = "/http/1.1"

#: The path of the list.
PROTOCOLS_PATH: Final = "/.well-known/libp2p/protocols"

#: Maximum size of the list, in bytes.
MAX_PROTOCOLS: Final = 8 * 1024

_FIELD: Final = "protocols"


def writeProtocols(paths: Mapping[str, str]) -> bytes:
    """
    Return the list.  It has two forms in one object: that of the specification, which
    is the value of the field C{protocols}; and that of go-libp2p 0.48 and js-libp2p,
    which do not know this field.

    @param paths: the path of each protocol.
    """
    entries = {protocol: {"path": path} for protocol, path in paths.items()}
    return json.dumps({**entries, _FIELD: entries}).encode()


def parseProtocols(data: bytes) -> dict[str, str]:
    """
    Parse a list in either form.

    @return: the path of each protocol.
    @raise ProtocolViolation: it is malformed.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolViolation("HTTP", "a list of protocols, not in JSON") from None
    entries = found.get(_FIELD, found) if isinstance(found, dict) else None
    if not isinstance(entries, dict):
        raise ProtocolViolation("HTTP", "a list of protocols without protocols")
    return {name: _path(entry) for name, entry in entries.items()}


def _path(entry: Any) -> str:
    """
    Return the path of an entry.

    @raise ProtocolViolation: it has none.
    """
    path = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(path, str) or not path.startswith("/"):
        raise ProtocolViolation("HTTP", "a protocol without a path")
    return path
