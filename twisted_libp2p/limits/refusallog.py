# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The log of refusals, which does not mention each of them: a peer that is refused often
must not fill the log as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import LimitReached
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IEventBus
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import printable

__all__ = ["INTERVAL", "RefusalLog"]

#: Seconds in which refusals for one reason are logged once at the most.
INTERVAL = 1.0


class RefusalLog:
    """
    Logs refusals, and publishes the refusals by limits.
    """

    _log = Logger()

    def __init__(self, now: Callable[[], float], events: IEventBus) -> None:
        """
        Begin with an empty log.

        @param now: returns the time in seconds.
        @param events: where L{LimitReached} is published.
        """
        self._now = now
        self._events = events
        # By reason: the time of the next message, and the refusals before it.
        self._logged: dict[str, tuple[float, int]] = {}

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

    def unlisted(self, protocol: str, peer: PeerID) -> None:
        """
        Log that a peer is not on the list of a protocol.
        """
        count = self._due(f"protocol {protocol}")
        if count:
            self._log.info(
                "{who} refused: it is not on the list of {protocol}{others}",
                who=_who(peer, None),
                protocol=printable(protocol),
                others=_others(count),
                peer=peer,
                count=count,
            )

    def notServed(self, protocols: Sequence[str], peer: PeerID) -> None:
        """
        Log that a peer has asked for protocols of which none is served.
        """
        named = ", ".join(protocols) or "a list of protocols"
        served = "are not served" if len(protocols) > 1 else "is not served"
        self.refused("not served", peer, f"{named} {served}")

    def refused(self, kind: str, peer: PeerID, reason: str) -> None:
        """
        Log that a service has refused a peer.

        @param kind: the refusals of one kind are logged together.
        """
        count = self._due(kind)
        if count:
            self._log.info(
                "{who} refused: {reason}{others}",
                who=_who(peer, None),
                reason=printable(reason),
                others=_others(count),
                peer=peer,
                count=count,
            )

    def failed(self, error: Libp2pError, address: object) -> None:
        """
        Log that a connection of a peer has failed before its peer was known.

        @param address: the other end of the connection.
        """
        count = self._due(type(error).__name__)
        if count:
            self._log.info(
                "inbound connection from {address} refused: {reason}{others}",
                address=address,
                reason=str(error),
                others=_others(count),
                count=count,
            )

    def limited(self, error: ScopeFull, peer: PeerID | None) -> None:
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
                kind=error.kind,
                resource=error.resource,
                direction=error.direction,
                peer=peer,
                count=count,
            )
        )

    def _due(self, reason: str) -> int:
        """
        Return the number of refusals to log now; 0 if it is not time yet.
        """
        now = self._now()
        due, missed = self._logged.get(reason, (now, 0))
        if now < due:
            self._logged[reason] = due, missed + 1
            return 0
        self._logged[reason] = now + INTERVAL, 0
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
