# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tell of what was refused, but not each time: whoever is refused often must not
fill the log as well.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.events import EventBus, LimitReached
from twisted_libp2p.identity import PeerID

__all__ = ["INTERVAL", "Refusals"]

#: Seconds in which one reason to refuse is told no more than once.
INTERVAL = 1.0


class Refusals:
    """
    Tells the log, and those who want to know, of refusals.
    """

    _log = Logger()

    def __init__(self, now: Callable[[], float], events: EventBus) -> None:
        """
        @param now: tells the time.
        @param events: where L{LimitReached} is published.
        """
        self._now = now
        self._events = events
        # By reason: when it was told last, and how often it was not since.
        self._told: dict[str, tuple[float, int]] = {}

    def gated(self, reason: str) -> None:
        """
        The gater has refused.
        """
        count = self._due("gater")
        if count:
            self._log.info(
                "{count} refused by the gater: {reason}", count=count, reason=reason
            )

    def limited(self, error: LimitExceeded, peer: PeerID | None) -> None:
        """
        A limit was reached.

        @param peer: who was refused, if that is known.
        """
        count = self._due(error.option)
        if not count:
            return
        self._log.info(
            "{count} refused: {error}", count=count, error=str(error), peer=peer
        )
        self._events.publish(
            LimitReached(
                time=self._now(),
                scope=error.scope,
                limit=error.limit,
                current=error.current,
                option=error.option,
                peer=peer,
                count=count,
            )
        )

    def _due(self, reason: str) -> int:
        """
        @return: of how many refusals it is time to tell; 0 if it is not.
        """
        now = self._now()
        last, missed = self._told.get(reason, (now - INTERVAL, 0))
        if now - last < INTERVAL:
            self._told[reason] = last, missed + 1
            return 0
        self._told[reason] = now, 0
        return missed + 1
