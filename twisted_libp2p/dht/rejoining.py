# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The return into the network after a restart, without a bootstrap peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import Deferred

from twisted_libp2p.identity import PeerID

__all__ = ["MAX_REJOINED", "Rejoining"]

#: The most servers of the last run that are checked, and how many at a time.
MAX_REJOINED: Final = 500
AT_ONCE: Final = 10


class Rejoining:
    """
    Checks the servers that were in the table when the node was stopped.
    """

    def __init__(
        self,
        peers: Iterable[PeerID],
        check: Callable[[PeerID], Deferred[None] | None],
    ) -> None:
        """
        Prepare the checks, which L{start} begins.

        @param peers: the servers.
        @param check: checks one; returns None if it need not be checked.
        """
        self._peers = list(peers)[:MAX_REJOINED]
        self._check = check

    def start(self) -> None:
        """
        Check the first.
        """
        for _ in range(AT_ONCE):
            self._next()

    def stop(self) -> None:
        """
        Check no more of them.
        """
        self._peers.clear()

    def _next(self) -> None:
        while self._peers:
            check = self._check(self._peers.pop())
            # A check that fails at once is over: the loop goes on.
            if check is not None and not check.called:
                check.addBoth(lambda _: self._next())
                return
