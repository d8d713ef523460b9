# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The text of paths in multiaddrs, as of C{/unix}.

There are two spellings, and both are read here.  To go-multiaddr 0.16 all the rest of
the text is the path: C{/unix/run/node.sock}.  The specification (pull request 174 of
multiformats/multiaddr) and js-multiaddr 13 write it as one component, with C{%2F} for
its slashes, so that others can follow: C{/unix/%2Frun%2Fnode.sock/p2p/...}.

A path is written in the first spelling if nothing follows it, and otherwise in the
second.  There is one exception to go-multiaddr's rule: C{/p2p/} with a valid id at the
end of the text is the peer.  There can be no socket below a
socket, and go-multiaddr has no other way to name the peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID

__all__ = ["pathText", "takePath"]

_SLASH = "%2f"


def takePath(parts: Sequence[str]) -> tuple[str, int]:
    """
    Read the path at the beginning of the rest of an address.

    @param parts: the rest, cut at its slashes; not empty.
    @return: the path, and the number of parts that belong to it.
    @raise ValueError: a percent sign is not followed by two hexadecimal digits, or the
        path is not UTF-8.
    """
    first = parts[0]
    if _SLASH in first.lower():
        data = unquote_to_bytes(first)
        if data.count(b"%") != first.count("%25"):
            raise ValueError("a % without two hexadecimal digits")
        return "/" + data.decode().removeprefix("/"), 1
    size = len(parts)
    if size > 2 and parts[-2] in ("p2p", "ipfs") and _isPeer(parts[-1]):
        size -= 2
    return "".join(f"/{each}" for each in parts[:size]), size


def pathText(path: str, last: bool) -> str:
    """
    Write a path.

    @param last: whether nothing follows it in the address.
    @return: the text after the name of the protocol, from its slash on.
    """
    parts = path[1:].split("/")
    if last and takePath(parts) == (path, len(parts)):
        return path
    return "/" + quote(path, safe="")


def _isPeer(text: str) -> bool:
    try:
        PeerID.fromText(text)
    except InvalidPeerID:
        return False
    return True
