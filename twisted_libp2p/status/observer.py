# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What there is to see of a node: the present, the last minute, and what has
happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import singledispatch
from heapq import merge
from operator import attrgetter
from typing import Any

from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    ConnectionTrimmed,
    Event,
    Identified,
    LimitReached,
    Listen,
    ListenClose,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.interfaces import Direction, IConnection
from twisted_libp2p.limits import UNLIMITED, ScopeLimits
from twisted_libp2p.node import Node
from twisted_libp2p.printable import printable as shown
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.status.rate import Rate

__all__ = ["Happening", "Observer"]

#: How many events are remembered: of streams, and others.  There may be very
#: many of streams, which must not hide the rest.
RECENT = 100

#: How many connections, and protocols, are told one by one.
MAX_CONNECTIONS = 200
MAX_PROTOCOLS = 100

#: How much of a text is told that a peer may have written.
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Happening:
    """
    An event in words.

    @ivar number: how many there were before, since the start.
    @ivar time: when, in seconds since the epoch.
    @ivar kind: what happened.
    @ivar peer: the id of the peer that it happened with; empty if with none.
    @ivar detail: more of it.
    @ivar stream: whether it happened to a stream.
    """

    number: int
    time: float
    kind: str
    peer: str
    detail: str
    stream: bool

    def asJSON(self) -> dict[str, Any]:
        """
        @return: what C{json} can write.
        """
        return asdict(self)


class Observer:
    """
    Watches a node.

    @ivar number: the number of the next event.
    @ivar changed: called after each event.
    """

    def __init__(self, node: Node) -> None:
        """
        @param node: what is watched, from now on.
        """
        self.number = 0
        self.changed: Callable[[], object] = lambda: None
        self._node = node
        self._since = node.reactor.seconds()
        self._recent: deque[Happening] = deque(maxlen=RECENT)
        self._recentOfStreams: deque[Happening] = deque(maxlen=RECENT)
        self._opened, self._closed, self._streams = Rate(), Rate(), Rate()
        self._agents: dict[IConnection, str] = {}
        self._subscription = node.events.subscribe(Event, self._happened)

    def close(self) -> None:
        """
        Watch no more.
        """
        self._subscription.cancel()

    def since(self, number: int) -> list[Happening]:
        """
        Tell what has happened, as far as it is remembered.

        @param number: from which event on.
        """
        return [
            each
            for each in merge(
                self._recent, self._recentOfStreams, key=attrgetter("number")
            )
            if each.number >= number
        ]

    def _happened(self, event: Event) -> None:
        now = event.time
        stream = isinstance(event, OpenedStream | ClosedStream)
        if isinstance(event, OpenedStream):
            self._streams.count(now)
        elif isinstance(event, OpenedConn):
            self._opened.count(now)
        elif isinstance(event, ClosedConn):
            self._closed.count(now)
            self._agents.pop(event.connection, None)
        elif isinstance(event, Identified) and event.connection.connected:
            self._agents[event.connection] = printable(event.agent)
        kind, detail = inWords(event)
        peer = getattr(event, "peer", None)
        (self._recentOfStreams if stream else self._recent).append(
            Happening(
                self.number,
                now,
                kind,
                "" if peer is None else str(peer),
                printable(detail),
                stream,
            )
        )
        self.number += 1
        self.changed()

    # The present

    def snapshot(self) -> dict[str, Any]:
        """
        Tell all but the events.

        @return: what C{json} can write.
        """
        node = self._node
        now = node.reactor.seconds()
        limiter = node.connections.limiter
        used = ScopeLimits(*limiter.system.used)
        limits = limiter.limits.system
        connections = list(node.connections)
        protocols = self._protocols()
        return {
            "time": now,
            "peer": str(node.peerID),
            "agent": printable(node.service(IdentifyService).agent),
            "addresses": [str(each) for each in node.addresses],
            "uptime": now - self._since,
            "peers": len({each.remotePeer for each in connections}),
            "connections": {
                "count": len(connections),
                "inbound": sum(
                    each.direction is Direction.INBOUND for each in connections
                ),
                "limit": bounded(limits.connections),
                "shown": [
                    self._connection(each, now)
                    for each in connections[:MAX_CONNECTIONS]
                ],
            },
            "streams": {
                "count": used.streams,
                "inbound": used.inboundStreams,
                "limit": bounded(limits.streams),
            },
            "protocols": {
                "count": len(protocols),
                "shown": protocols[:MAX_PROTOCOLS],
            },
            "rates": {
                "opened": self._opened.history(now),
                "closed": self._closed.history(now),
                "streams": self._streams.history(now),
            },
            "totals": {
                "opened": self._opened.total,
                "closed": self._closed.total,
                "streams": self._streams.total,
            },
        }

    def _connection(self, connection: IConnection, now: float) -> dict[str, Any]:
        peer = connection.remotePeer
        tags = self._node.connections.tags
        return {
            "peer": str(peer),
            "agent": self._agents.get(connection, ""),
            "address": str(connection.remoteAddress or ""),
            "direction": connection.direction,
            "transport": connection.transport,
            "security": connection.security,
            "muxer": connection.muxer,
            "early": connection.early,
            "age": now - connection.openedAt,
            "streams": len(connection.streams),
            "value": round(tags.value(peer), 3),
            "protected": tags.protected(peer),
        }

    def _protocols(self) -> list[dict[str, Any]]:
        """
        @return: the protocols of the open streams, the busiest first.
        """
        rows: list[dict[str, Any]] = []
        for name, scope in self._node.connections.limiter.protocols.items():
            used = ScopeLimits(*scope.used)
            if used.streams:
                rows.append(
                    {
                        "protocol": printable(name),
                        "inbound": used.inboundStreams,
                        "outbound": used.streams - used.inboundStreams,
                    }
                )
        rows.sort(key=lambda row: (-row["inbound"] - row["outbound"], row["protocol"]))
        return rows


def bounded(limit: int) -> int | None:
    """
    @return: a limit; None if it is none.
    """
    return None if limit == UNLIMITED else limit


def printable(text: str) -> str:
    """
    Return a text for the page, which a peer may have written.
    """
    return shown(text, MAX_TEXT, hidden="\N{REPLACEMENT CHARACTER}")


@singledispatch
def inWords(event: Event) -> tuple[str, str]:
    """
    @return: what happened, and more of it.
    """
    return type(event).__name__, ""


@inWords.register
def _(event: OpenedConn) -> tuple[str, str]:
    parts = (event.direction, event.remoteAddress, event.security, event.muxer)
    return "connected", " ".join(str(each) for each in parts if each is not None)


@inWords.register
def _(event: ClosedConn) -> tuple[str, str]:
    return "disconnected", event.reason.getErrorMessage()


@inWords.register
def _(event: ConnectionTrimmed) -> tuple[str, str]:
    return "trimmed", f"worth {event.value:g}"


@inWords.register
def _(event: OpenedStream) -> tuple[str, str]:
    return "stream opened", f"{event.direction} {event.protocolID}"


@inWords.register
def _(event: ClosedStream) -> tuple[str, str]:
    why = event.reason.getErrorMessage()
    return "stream closed", f"{event.direction} {event.protocolID} {why}"


@inWords.register
def _(event: Identified) -> tuple[str, str]:
    count = len(event.protocols)
    return "identified", f"{event.agent or 'no agent'}, {count} protocols"


@inWords.register
def _(event: LimitReached) -> tuple[str, str]:
    return (
        "refused",
        f"{event.count}: {event.scope}, {event.current} of {event.limit};"
        f" see {event.option}",
    )


@inWords.register
def _(event: Listen) -> tuple[str, str]:
    return "listening", str(event.address)


@inWords.register
def _(event: ListenClose) -> tuple[str, str]:
    why = "" if event.reason is None else f": {event.reason.getErrorMessage()}"
    return "not listening", f"{event.address}{why}"
