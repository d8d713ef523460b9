# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is kept of a peer for its next dial.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted_libp2p.identity import PeerID

__all__ = ["MAX_PEERS", "MAX_TOKEN", "PeerMemory"]

#: The most peers of which a token is kept; the oldest ones are forgotten.
MAX_PEERS = 1024

#: The most bytes of a token.
MAX_TOKEN = 512


class PeerMemory:
    """
    The tokens of peers (NEW_TOKEN): a dial with one needs no Retry.  A token carries no
    identity, and each is used once, so that a listener cannot follow us by it.
    """

    def __init__(self) -> None:
        self._tokens: OrderedDict[PeerID, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tokens)

    def keep(self, peer: PeerID, token: bytes) -> None:
        """
        Keep the last token of a peer.
        """
        if not 0 < len(token) <= MAX_TOKEN:
            return
        self._tokens[peer] = token
        self._tokens.move_to_end(peer)
        if len(self._tokens) > MAX_PEERS:
            self._tokens.popitem(last=False)

    def token(self, peer: PeerID | None) -> bytes:
        """
        Take the token for a dial; empty without one.
        """
        return b"" if peer is None else self._tokens.pop(peer, b"")
