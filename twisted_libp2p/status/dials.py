# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The dials of a node, as metrics under the names of go-libp2p.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from twisted_libp2p.connection.dialrecord import BOUNDS, MANY, Distribution
from twisted_libp2p.node import Node

__all__ = ["dialMetrics", "seconds"]

_SWARM = "libp2p_swarm"

_LABELS = ("outcome", "num_dials")

# Transports that go-libp2p calls by other names.
_TRANSPORTS = {"quic": "quic-v1"}


def dialMetrics(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the dials.

    @param core: the module C{prometheus_client.core}.
    """
    record = node.dialRecord
    errors = core.CounterMetricFamily(
        f"{_SWARM}_dial_errors",
        "Addresses that did not lead to their peer",
        labels=("transport", "error", "ip_version"),
    )
    for (transport, error, version), count in record.faults.items():
        errors.add_metric(
            (_TRANSPORTS.get(transport, transport), error, version), count
        )
    yield errors
    times: dict[tuple[str, ...], Distribution] = {
        (
            "success" if success else "failed",
            f">={MANY}" if attempts == MANY else str(attempts),
        ): each
        for (success, attempts), each in record.times.items()
    }
    dials = core.CounterMetricFamily(
        f"{_SWARM}_dials_per_peer", "Dials by their number of addresses", labels=_LABELS
    )
    for labels, each in times.items():
        dials.add_metric(labels, sum(each.counts))
    yield dials
    yield seconds(
        core, f"{_SWARM}_dial_latency_seconds", "Duration of a dial", times, _LABELS
    )
    yield seconds(
        core,
        f"{_SWARM}_dial_ranking_delay_seconds",
        "Delay of the address that has led to the peer",
        {(): record.delays},
    )
    yield from _holes(node, core)


def _holes(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the networks that may drop everything.
    """
    holes = node.dialRecord.holes
    for name, about, value in (
        (
            "state",
            "0 too few dials, 1 dials lead somewhere, 2 they do not",
            lambda each: 2 if each.blocked else int(each.known),
        ),
        ("success_fraction", "Share of successes", lambda each: each.successes),
        (
            "next_request_allowed_after",
            "Dials until one is made although it seems useless",
            lambda each: each.untilProbe,
        ),
    ):
        family = core.GaugeMetricFamily(
            f"{_SWARM}_black_hole_filter_{name}", about, labels=("name",)
        )
        for kind, hole in (("UDP", holes.udp), ("IPv6", holes.ipv6)):
            family.add_metric((kind,), value(hole))
        yield family


def seconds(
    core: Any,
    name: str,
    about: str,
    values: Mapping[tuple[str, ...], Distribution],
    labels: tuple[str, ...] = (),
) -> Any:
    """
    Make a histogram of durations.

    @param core: the module C{prometheus_client.core}.
    @param values: the durations by the values of the labels.
    """
    family = core.HistogramMetricFamily(name, about, labels=labels)
    names = [*map(str, BOUNDS), "+Inf"]
    for key, each in values.items():
        buckets = list(zip(names, accumulate(each.counts), strict=True))
        family.add_metric(key, buckets, each.total)
    return family
