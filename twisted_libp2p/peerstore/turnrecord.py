# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The record of the turns of a node at its database, for metrics.
"""

from __future__ import annotations

from twisted_libp2p.peerstore.journal import Journal
from twisted_libp2p.peerstore.readiness import Readiness

__all__ = ["TurnRecord"]


class TurnRecord:
    """
    The turns of a node at its database: in each it writes its changes, and reads those
    of others.

    @ivar exchanged: the time at which the last turn has succeeded.
    @ivar count: the number of turns that have succeeded.
    @ivar seconds: their whole duration.
    @ivar failures: the number of turns that have failed.
    @ivar histories: the number of times at which the database had another history than
        before, such as after a failover to a copy that was behind.
    """

    def __init__(self, journal: Journal, loaded: Readiness) -> None:
        """
        Begin without a turn.

        @param journal: has the changes that wait.
        @param loaded: knows whether the peerstore has loaded.
        """
        self.exchanged = 0.0
        self.count = 0
        self.seconds = 0.0
        self.failures = 0
        self.histories = 0
        self._journal = journal
        self._loaded = loaded

    @property
    def waiting(self) -> int:
        """
        The number of rows that wait to be written, roughly.
        """
        return self._journal.waiting

    @property
    def loaded(self) -> bool:
        """
        Whether the peerstore has loaded.
        """
        return self._loaded.ready

    def ended(self, began: float, now: float) -> None:
        """
        Count a turn that has succeeded.
        """
        self.exchanged = now
        self.count += 1
        self.seconds += max(0.0, now - began)
