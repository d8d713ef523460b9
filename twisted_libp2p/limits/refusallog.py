# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Log refusals, but not each one: a peer that is refused often must not fill the
log as well.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.events import EventBus, LimitReached
from twisted_libp2p.identity import PeerID
from twisted_libp2p.printable import printable

__all__ = ["INTERVAL", "Refusals"]

#: Seconds in which refusals for one reason are logged no more than once.
INTERVAL = 1.0


class Refusals:
    """
    Logs refusals, and publishes those by limits.
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

    def gated(
        self,
        reason: str,
        peer: PeerID | None = None,
        address: Multiaddr | None = None,
    ) -> None:
        """
        Log that the gater has refused a connection.

        @param peer: the refused peer, if it is known.
        @param address: the other end of the connection, if it has an address.
        """
        count = self._due("gater")
        if count:
            self._log.info(
                "{who} refused by the gater: {reason}{others}",
                who=_who(peer, address),
                reason=printable(reason),
                others=_others(count),
                peer=peer,
                address=address,
                count=count,
            )

    def limited(self, error: LimitExceeded, peer: PeerID | None) -> None:
        """
        Log and publish that a limit was reached.

        @param peer: the refused peer, if it is known.
        """
        count = self._due(error.option)
        if not count:
            return
        self._log.info(
            "{who} refused: {error}{others}",
            who=_who(peer, None),
            error=str(error),
            others=_others(count),
            peer=peer,
            count=count,
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
        @return: the number of refusals to log now; 0 if it is not time yet.
        """
        now = self._now()
        last, missed = self._told.get(reason, (now - INTERVAL, 0))
        if now - last < INTERVAL:
            self._told[reason] = last, missed + 1
            return 0
        self._told[reason] = now, 0
        return missed + 1


def _who(peer: PeerID | None, address: Multiaddr | None) -> str:
    """
    Name a refused peer as well as it is known.
    """
    named = "an unknown peer" if peer is None else f"peer {peer}"
    return named if address is None else f"{named} at {address}"


def _others(count: int) -> str:
    """
    Mention the refusals since the last message, if there were more than one.
    """
    return f" ({count - 1} more since the last message)" if count > 1 else ""
