# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The inside of a node as metrics: its version, subscribers, descriptors, changes, and
the turns of its peerstore at the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted_libp2p import __version__
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore.service import PeerStoreService
from twisted_libp2p.protocols.identify import IdentifyService

__all__ = ["internals"]

#: The protocols of addresses whose connections have a descriptor each.
_DESCRIPTORS = frozenset(("tcp", "unix"))


def internals(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics.

    @param core: the module C{prometheus_client.core}.
    """
    version = core.GaugeMetricFamily(
        "libp2p_build_info", "The version of twisted_libp2p", labels=("version",)
    )
    version.add_metric((__version__,), 1)
    subscribers = core.GaugeMetricFamily(
        "libp2p_eventbus_subscribers_total",
        "Subscribers of a type of event",
        labels=("event",),
    )
    for kind, count in node.events.watched().items():
        subscribers.add_metric((kind.__name__,), count)
    descriptors = core.GaugeMetricFamily(
        "libp2p_rcmgr_fds",
        "Descriptors of connections, without those that are not ready",
        labels=("scope",),
    )
    descriptors.add_metric(("system",), _descriptors(node))
    conditions = core.GaugeMetricFamily(
        "libp2p_condition",
        "Whether a condition is met under which the node is ready to serve",
        labels=("condition",),
    )
    for each in node.conditions():
        conditions.add_metric((each.name,), int(each.met))
    yield from (version, subscribers, descriptors, conditions)
    for service in node.services:
        if isinstance(service, IdentifyService):
            pushes = core.CounterMetricFamily(
                "libp2p_identify_identify_pushes_triggered",
                "Changes that were pushed to the peers",
                labels=("trigger",),
            )
            for change, count in service.changes.items():
                pushes.add_metric((change,), count)
            yield pushes
    yield core.GaugeMetricFamily(
        "libp2p_peerstore_peers", "Peers in memory", value=len(node.peerstore.peers())
    )
    if isinstance(node.peerstore, PeerStoreService):
        yield from _turns(node.peerstore, node.clock.seconds(), core)


def _descriptors(node: Node) -> int:
    """
    Count the connections that have a descriptor.
    """
    return sum(
        each.remoteAddress is not None
        and not isRelayed(each.remoteAddress)
        and not _DESCRIPTORS.isdisjoint(each.remoteAddress.names)
        for each in node.connections
    )


def _turns(store: PeerStoreService, now: float, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of a database.
    """
    prefix, record = "libp2p_peerstore", store.turns
    gauge, counter = core.GaugeMetricFamily, core.CounterMetricFamily
    yield gauge(f"{prefix}_loaded", "Whether it has loaded", value=int(record.loaded))
    yield gauge(
        f"{prefix}_waiting_rows", "Rows that wait to be written", value=record.waiting
    )
    if record.count:
        yield gauge(
            f"{prefix}_lag_seconds",
            "Seconds since it last wrote its changes and read those of others",
            value=max(0.0, now - record.exchanged),
        )
    turns = core.SummaryMetricFamily(
        f"{prefix}_turn_seconds",
        "Turns at the database, and their duration",
        count_value=record.count,
        sum_value=record.seconds,
    )
    yield turns
    yield counter(
        f"{prefix}_turn_failures", "Turns that have failed", value=record.failures
    )
    yield counter(
        f"{prefix}_histories",
        "Times at which the database had another history than before",
        value=record.histories,
    )
