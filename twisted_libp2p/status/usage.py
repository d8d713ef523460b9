# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of a node's limits, and the limits, as metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from twisted_libp2p.limits import UNLIMITED
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.node import Node
from twisted_libp2p.status.relays import relayMetrics
from twisted_libp2p.status.topics import topicMetrics

__all__ = ["usage"]

# The buckets of go-libp2p.
_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 32, 64, 128, 256)
_BYTES = tuple(
    each << 10
    for each in (1, 4, 32, *(n << 10 for n in (1, 32, 256, 512, 1024, 2048, 4096)))
)


def usage(node: Node, core: Any, label: Callable[[str], str] = str) -> Iterator[Any]:
    """
    Generate the metrics of the present use.

    @param core: the module C{prometheus_client.core}.
    @param label: returns the label of a protocol; peers may invent as many protocols
        as they have streams.
    """
    snapshot = node.connections.limiter.snapshot()
    connections = core.GaugeMetricFamily(
        "libp2p_rcmgr_connections", "Connections", labels=("dir", "scope")
    )
    streams = core.GaugeMetricFamily(
        "libp2p_rcmgr_streams", "Streams", labels=("dir", "scope", "protocol")
    )
    memory = core.GaugeMetricFamily(
        "libp2p_rcmgr_memory",
        "Bytes by which windows exceed their initial size",
        labels=("scope", "protocol"),
    )
    limit = core.GaugeMetricFamily(
        "libp2p_rcmgr_limit", "Limits", labels=("scope", "resource")
    )
    scopes = (("system", snapshot.system), ("transient", snapshot.transient))
    for name, (used, limits) in scopes:
        for direction, count in _connections(used):
            connections.add_metric((direction, name), count)
        for direction, count in _streams(used):
            streams.add_metric((direction, name, ""), count)
        memory.add_metric((name, ""), used.memory)
        for resource, value in zip(_LIMITS, limits, strict=True):
            if value != UNLIMITED:
                limit.add_metric((name, resource), value)
    byProtocol: Counter[tuple[str, str]] = Counter()
    for protocol, used in snapshot.protocols.items():
        for direction, count in _streams(used):
            byProtocol[direction, label(protocol)] += count
    for (direction, protocol), count in byProtocol.items():
        streams.add_metric((direction, "protocol", protocol), count)
    yield from (connections, streams, memory, limit)

    peers = snapshot.peers.values()
    yield from _spread(core, "connections", map(_connections, peers))
    yield from _spread(core, "streams", map(_streams, peers))
    yield from _histograms(
        core, "peer_memory", _BYTES, {(): [each.memory for each in peers]}
    )
    yield core.GaugeMetricFamily(
        "libp2p_identify_protocols_count",
        "Protocols that are served",
        value=len(node.registry.protocols()),
    )
    yield core.GaugeMetricFamily(
        "libp2p_identify_addrs_count",
        "Addresses that are listened on",
        value=len(node.addresses),
    )
    yield from relayMetrics(node, core)
    yield from topicMetrics(node, core)


#: The resources of L{ScopeLimits}, in its order, as go-libp2p calls them.
_LIMITS = ("conns", "conns_inbound", "streams", "streams_inbound", "memory")


#: A number of connections or streams by direction.
ByDirection = tuple[tuple[str, int], tuple[str, int]]


def _connections(used: Usage) -> ByDirection:
    return ("inbound", used.inboundConnections), ("outbound", used.outboundConnections)


def _streams(used: Usage) -> ByDirection:
    return ("inbound", used.inboundStreams), ("outbound", used.outboundStreams)


def _spread(core: Any, what: str, peers: Iterable[ByDirection]) -> Iterator[Any]:
    """
    Count the peers by their number of connections or streams, in each direction.
    """
    values: dict[tuple[str, ...], list[int]] = {("inbound",): [], ("outbound",): []}
    for peer in peers:
        for direction, count in peer:
            values[direction,].append(count)
    yield from _histograms(core, f"peer_{what}", _COUNTS, values)


def _histograms(
    core: Any,
    name: str,
    buckets: tuple[int, ...],
    values: dict[tuple[str, ...], list[int]],
) -> Iterator[Any]:
    """
    Generate the histograms of a resource by peer; peers that use none of it are left
    out.

    go-libp2p counts each change twice: with the new value, and under C{previous_} with
    the old one.  Its dashboards show the difference, which is the present.  Ours are
    the present, and an empty histogram to be subtracted from it.
    """
    labels = ("dir",) if any(values) and all(values) else ()
    for prefix in ("", "previous_"):
        family = core.HistogramMetricFamily(
            f"libp2p_rcmgr_{prefix}{name}", "By peer", labels=labels
        )
        for key, all_ in values.items():
            present = [] if prefix else [each for each in all_ if each]
            counts = [0] * (len(buckets) + 1)
            for each in present:
                counts[bisect_left(buckets, each)] += 1
            names = [*(f"{float(each)}" for each in buckets), "+Inf"]
            family.add_metric(
                key, list(zip(names, accumulate(counts), strict=True)), sum(present)
            )
        yield family
