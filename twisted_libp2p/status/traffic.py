# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The bytes that a node receives and sends: of each connection, of each peer, and in all.

The muxers count what they read and write; here the counts are looked at, and rates are
the differences of two looks.  So nothing is done for a frame, and nothing at all while
nobody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from typing import Any, NamedTuple

from twisted_libp2p.events import ClosedConn
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node

__all__ = ["MAX_PEERS", "Bytes", "Traffic", "addedUp", "trafficMetrics"]

#: Number of peers that are listed, those with the most bytes.
MAX_PEERS = 20

#: Seconds between two looks from which a rate is made, at least.
SHORTEST = 0.9


class Bytes(NamedTuple):
    """
    Bytes in both directions: a number of them, or of those in a second.

    @ivar received: the received bytes.
    @ivar sent: the sent bytes.
    """

    received: float = 0
    sent: float = 0

    def plus(self, other: Bytes) -> Bytes:
        """
        Add both directions.
        """
        return Bytes(self.received + other.received, self.sent + other.sent)

    def since(self, before: Bytes, seconds: float) -> Bytes:
        """
        Return the bytes in a second, from an earlier number.
        """
        return Bytes(
            (self.received - before.received) / seconds,
            (self.sent - before.sent) / seconds,
        )


class Traffic:
    """
    The traffic of a node.

    @ivar rates: the bytes in a second of each connection, between the last two looks;
        those of a connection that is new since then are missing.
    @ivar rate: those of all connections; None before the second look.
    """

    def __init__(self, node: Node) -> None:
        """
        Begin to add up.

        @param node: the node; its earlier connections count as far as they are open.
        """
        self._node = node
        self._ended = Bytes()
        self._lookedAt: float | None = None
        self._seen: dict[IConnection, Bytes] = {}
        self._seenTotal = Bytes()
        self.rates: dict[IConnection, Bytes] = {}
        self.rate: Bytes | None = None
        self._subscription = node.events.subscribe(ClosedConn, self._closed)

    def close(self) -> None:
        """
        Add up nothing any longer.
        """
        self._subscription.cancel()

    def _closed(self, event: ClosedConn) -> None:
        connection = event.connection
        self._ended = self._ended.plus(bytesOf(connection))
        self._seen.pop(connection, None)
        self.rates.pop(connection, None)

    @property
    def total(self) -> Bytes:
        """
        The bytes of all connections, also of those that have ended meanwhile.
        """
        return self._sum(self._counts())

    def _counts(self) -> dict[IConnection, Bytes]:
        return {each: bytesOf(each) for each in self._node.connections}

    def _sum(self, counts: Mapping[IConnection, Bytes]) -> Bytes:
        """
        Add up the bytes of the open connections and of those that have ended.
        """
        received, sent = self._ended
        for each in counts.values():
            received += each.received
            sent += each.sent
        return Bytes(received, sent)

    def look(self, now: float) -> None:
        """
        Compute the rates since the last look, unless that was a moment ago.

        @param now: the time in seconds.
        """
        before = self._lookedAt
        if before is not None and 0 <= now - before < SHORTEST:
            return
        seen = self._counts()
        total = self._sum(seen)
        # The clock may have been set back.
        if before is not None and now > before:
            seconds = now - before
            self.rates = {
                each: count.since(self._seen[each], seconds)
                for each, count in seen.items()
                if each in self._seen
            }
            self.rate = total.since(self._seenTotal, seconds)
        self._lookedAt, self._seen, self._seenTotal = now, seen, total

    def of(self, connection: IConnection) -> dict[str, Any]:
        """
        Return the bytes of a connection and their rates, for C{json}.
        """
        return _row(bytesOf(connection), self.rates.get(connection))

    def snapshot(self) -> dict[str, Any]:
        """
        Return the bytes of the node and their rates, and those of the peers with the
        most bytes, for C{json}.
        """
        counts = self._counts()
        rows = (
            (str(each.remotePeer), count, self.rates.get(each, Bytes()))
            for each, count in counts.items()
        )
        return {
            **_row(self._sum(counts), self.rate),
            "peers": _busiest(rows, self.rate is not None),
        }


def bytesOf(connection: IConnection) -> Bytes:
    """
    Return the bytes of a connection.
    """
    return Bytes(connection.received, connection.sent)


def _row(count: Bytes, rate: Bytes | None) -> dict[str, Any]:
    """
    Return a number of bytes and the bytes in a second, None if they are not known yet.
    """
    return {
        **count._asdict(),
        "receiving": None if rate is None else round(rate.received, 1),
        "sending": None if rate is None else round(rate.sent, 1),
    }


def trafficMetrics(traffic: Traffic, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the bytes.

    @param core: the module C{prometheus_client.core}.
    """
    family = core.CounterMetricFamily(
        "libp2p_swarm_bytes",
        "Bytes of the muxers, without encryption and transport",
        labels=("dir",),
    )
    total = traffic.total
    family.add_metric(("inbound",), total.received)
    family.add_metric(("outbound",), total.sent)
    yield family


def addedUp(snapshots: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Add up the snapshots of several processes.
    """
    total = rate = Bytes()
    known = [each for each in snapshots if each["receiving"] is not None]
    for each in snapshots:
        total = total.plus(Bytes(each["received"], each["sent"]))
    for each in known:
        rate = rate.plus(Bytes(each["receiving"], each["sending"]))
    rows = (
        (
            row["peer"],
            Bytes(row["received"], row["sent"]),
            Bytes(row["receiving"] or 0, row["sending"] or 0),
        )
        for each in snapshots
        for row in each["peers"]
    )
    return {
        **_row(total, rate if known else None),
        "peers": _busiest(rows, bool(known)),
    }


def _busiest(
    rows: Iterable[tuple[str, Bytes, Bytes]], known: bool
) -> list[dict[str, Any]]:
    """
    Add up rows by peer, and return those with the most bytes.

    @param rows: a peer, its bytes and its rate; a peer may have several rows.
    @param known: whether rates are known.
    """
    peers: dict[str, tuple[Bytes, Bytes]] = {}
    for peer, count, rate in rows:
        before = peers.get(peer)
        if before is not None:
            count, rate = before[0].plus(count), before[1].plus(rate)
        peers[peer] = count, rate
    return [
        {"peer": peer, **_row(count, rate if known else None)}
        for peer, (count, rate) in nlargest(
            MAX_PEERS, peers.items(), key=lambda each: sum(each[1][0])
        )
    ]
