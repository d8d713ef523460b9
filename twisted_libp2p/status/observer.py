# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The observer of a node: its present state, its rates in the last minute, and its
recent events.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import singledispatch
from heapq import merge
from operator import attrgetter
from typing import Any

from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.connmanager.presence import endingOf
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
    PeerConnected,
    PeerDisconnected,
    ReachabilityChanged,
)
from twisted_libp2p.interfaces import Direction, Ending, IConnection
from twisted_libp2p.limits import UNLIMITED
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.node import Node
from twisted_libp2p.printable import printable as shown
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.reachability.service import ReachabilityService
from twisted_libp2p.status.certificates import certificateLines
from twisted_libp2p.status.finding import findingLines
from twisted_libp2p.status.limiting import RefusalCounts, limitLines
from twisted_libp2p.status.rate import Rate
from twisted_libp2p.status.relays import relayLines
from twisted_libp2p.status.topics import topicLines
from twisted_libp2p.status.traffic import Traffic
from twisted_libp2p.status.tunnels import tunnelLines

__all__ = ["Happening", "Observer"]

#: Number of events that are kept: of streams, and of others.  There may be very many
#: of streams, which must not hide the rest.
RECENT = 100

#: Number of connections, of protocols, and of lost peers, that are listed one by one.
MAX_CONNECTIONS = 200
MAX_PROTOCOLS = 100
MAX_REDIALS = 20

#: Number of blocked peers, and of causes of failed dials, that are listed.
MAX_BLOCKED = 20
MAX_CAUSES = 20

#: Number of characters that are shown of a text that a peer may have written.
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Happening:
    """
    An event in words.

    @ivar number: the number of events before it, since the start.
    @ivar time: seconds since the epoch.
    @ivar kind: the event in a word or two.
    @ivar peer: the id of the peer; empty if the event has none.
    @ivar detail: the details.
    @ivar stream: whether it is an event of a stream.
    """

    number: int
    time: float
    kind: str
    peer: str
    detail: str
    stream: bool

    def asJSON(self) -> dict[str, Any]:
        """
        Return the event in types that C{json} can write.
        """
        return asdict(self)


class Observer:
    """
    Watches a node.

    @ivar number: the number of the next event.
    @ivar changed: called after each event.
    """

    def __init__(
        self, node: Node, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Begin to observe a node.

        @param node: the node, whose events are kept from now on.
        @param monotonic: returns seconds that go on when the clock of the host is set.
        """
        self.number = 0
        self.changed: Callable[[], object] = lambda: None
        self._node = node
        self._monotonic = monotonic
        self._since = monotonic()
        self._recent: deque[Happening] = deque(maxlen=RECENT)
        self._recentOfStreams: deque[Happening] = deque(maxlen=RECENT)
        self._opened, self._closed, self._streams = Rate(), Rate(), Rate()
        self._agents: dict[IConnection, str] = {}
        self._refusals = RefusalCounts()
        self._traffic = Traffic(node)
        # The other events of a peer say the same as those of its connections.
        self._subscription = node.events.subscribe(
            Event,
            self._happened,
            lambda event: not isinstance(event, PeerConnected | PeerDisconnected),
        )

    def close(self) -> None:
        """
        Stop watching.
        """
        self._subscription.cancel()
        self._traffic.close()

    def since(self, number: int) -> list[Happening]:
        """
        Return the kept events from a number on.
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
        elif isinstance(event, LimitReached):
            self._refusals.count(event)
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

    # The present state

    def snapshot(self) -> dict[str, Any]:
        """
        Return everything but the events, in types that C{json} can write.
        """
        node = self._node
        now = node.reactor.seconds()
        self._traffic.look(now)
        usage = node.connections.limiter.snapshot()
        used, limits = usage.system
        connections = list(node.connections)
        protocols = self._protocols(usage.protocols)
        return {
            "time": now,
            "peer": str(node.peerID),
            "agent": printable(node.service(IdentifyService).agent),
            "addresses": [str(each) for each in node.addresses],
            "reachability": self._reachability(now),
            "tunnels": list(map(printable, tunnelLines(node))),
            "pubsub": list(map(printable, topicLines(node))),
            "limits": [*limitLines(usage), *self._refusals.lines()],
            "backends": node.backends,
            "uptime": self._monotonic() - self._since,
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
            "traffic": self._traffic.snapshot(),
            "streams": {
                "count": used.streams,
                "inbound": used.inboundStreams,
                "limit": bounded(limits.streams),
            },
            "protocols": {
                "count": len(protocols),
                "shown": protocols[:MAX_PROTOCOLS],
            },
            "served": list(map(printable, node.registry.protocols()[:MAX_PROTOCOLS])),
            "redials": self._redials(now),
            "blocked": self._blocked(),
            "dials": self._dials(),
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

    def _reachability(self, now: float) -> list[str]:
        """
        Return the lines that explain whether peers can dial the node, if it finds out,
        and those about relays, mapped ports, and the ways to find peers.
        """
        node = self._node
        lines = [*relayLines(node), *certificateLines(node), *findingLines(node)]
        for each in self._node.services:
            if isinstance(each, ReachabilityService):
                lines = [*each.report().lines(now), *lines]
        return list(map(printable, lines))

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
            **self._traffic.of(connection),
            "roundTrip": connection.roundTrip or None,
            "value": round(tags.value(peer), 3),
            "protected": tags.protected(peer),
        }

    def _redials(self, now: float) -> list[dict[str, Any]]:
        """
        Return the lost peers that will be dialed again, the next one first.
        """
        redialer = self._node.connections.redialer
        waiting = [] if redialer is None else redialer.waiting()
        redials = sorted(waiting, key=lambda each: each[1])
        return [
            {"peer": str(peer), "seconds": time - now}
            for peer, time in redials[:MAX_REDIALS]
        ]

    def _blocked(self) -> dict[str, Any]:
        """
        Return the peers, addresses and networks that the gater refuses by a list.
        """
        gater = self._node.connections.gatekeeper.gater
        blocked = sorted(gater.blocked) if isinstance(gater, ListGater) else []
        return {"count": len(blocked), "shown": blocked[:MAX_BLOCKED]}

    def _dials(self) -> list[dict[str, Any]]:
        """
        Return the failed attempts to dial an address, by transport, network and cause,
        the most frequent first.
        """
        return [
            {"transport": transport, "network": network, "cause": cause, "count": count}
            for (transport, cause, network), count in (
                self._node.dialRecord.faults.most_common(MAX_CAUSES)
            )
        ]

    def _protocols(self, usage: Mapping[str, Usage]) -> list[dict[str, Any]]:
        """
        Return the protocols of the open streams, the busiest first.
        """
        rows: list[dict[str, Any]] = [
            {
                "protocol": printable(name),
                "inbound": used.inboundStreams,
                "outbound": used.outboundStreams,
            }
            for name, used in usage.items()
            if used.streams
        ]
        rows.sort(key=lambda row: (-row["inbound"] - row["outbound"], row["protocol"]))
        return rows


def bounded(limit: int) -> int | None:
    """
    Return a limit; None for no limit.
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
    Describe an event.

    @return: the event in a word or two, and its details.
    """
    return type(event).__name__, ""


@inWords.register
def _(event: OpenedConn) -> tuple[str, str]:
    parts = (event.direction, event.remoteAddress, event.security, event.muxer)
    return "connected", " ".join(str(each) for each in parts if each is not None)


@inWords.register
def _(event: ClosedConn) -> tuple[str, str]:
    lost = endingOf(event.reason) is Ending.LOST
    return "lost" if lost else "disconnected", event.reason.getErrorMessage()


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
def _(event: ReachabilityChanged) -> tuple[str, str]:
    verdicts = (f"{address} {verdict.value}" for address, verdict in event.verdicts)
    return event.reachability.value, ", ".join(verdicts)


@inWords.register
def _(event: Listen) -> tuple[str, str]:
    return "listening", str(event.address)


@inWords.register
def _(event: ListenClose) -> tuple[str, str]:
    why = "" if event.reason is None else f": {event.reason.getErrorMessage()}"
    return "not listening", f"{event.address}{why}"
