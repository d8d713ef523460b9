# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reachability of a node, as metrics under the names of go-libp2p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from twisted_libp2p.interfaces import Reachability, Verdict
from twisted_libp2p.node import Node
from twisted_libp2p.reachability.service import ReachabilityService

__all__ = ["reaching"]

#: The verdicts on a node, as go-libp2p numbers them.
_STATES: Final = {
    Reachability.UNKNOWN: 0,
    Reachability.PUBLIC: 1,
    Reachability.PRIVATE: 2,
}

#: The outcomes of our questions, as go-libp2p calls them.
_OUTCOMES: Final = {
    Verdict.REACHABLE: "success",
    Verdict.UNREACHABLE: "success",
    Verdict.UNKNOWN: "failure",
}


def reaching(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the addresses that peers name, and of the reachability.

    @param core: the module C{prometheus_client.core}.
    """
    refused = core.CounterMetricFamily(
        "libp2p_address_filter_refused",
        "Addresses of peers that were neither stored nor dialed",
        labels=("reason",),
    )
    for reason, count in node.addressFilter.refused.items():
        refused.add_metric((reason,), count)
    yield refused
    services = [each for each in node.services if isinstance(each, ReachabilityService)]
    for service in services:
        yield core.GaugeMetricFamily(
            "libp2p_autonat_reachability_status",
            "Whether peers can dial the node: 0 unknown, 1 public, 2 private",
            value=_STATES[service.state],
        )
        yield from _addresses(service, core)
        yield from _answers(service, core)
        asked = core.CounterMetricFamily(
            "libp2p_autonatv2_client_requests",
            "Questions whether this node is reachable",
            labels=("outcome",),
        )
        outcomes: Counter[str] = Counter()
        for verdict, outcome in _OUTCOMES.items():
            outcomes[outcome] += service.questions.counts[verdict.value]
        for outcome, count in outcomes.items():
            asked.add_metric((outcome,), count)
        yield asked


def _addresses(service: ReachabilityService, core: Any) -> Iterator[Any]:
    """
    Count the addresses by their verdict.
    """
    counts = Counter(
        (verdict, address.first, address.names[-1])
        for address, verdict in service.verdicts
    )
    for verdict in Verdict:
        family = core.GaugeMetricFamily(
            f"libp2p_host_addrs_{verdict.value}",
            f"Own public addresses that are {verdict.value}",
            labels=("ipv", "transport"),
        )
        for (found, version, transport), count in counts.items():
            if found is verdict:
                family.add_metric((version, transport), count)
        yield family


def _answers(service: ReachabilityService, core: Any) -> Iterator[Any]:
    """
    Count the answers to the questions of others.
    """
    new = core.CounterMetricFamily(
        "libp2p_autonatv2_requests_completed",
        "Answers to requests of AutoNAT v2",
        labels=("response_status", "dial_status"),
    )
    old = core.CounterMetricFamily(
        "libp2p_autonat_outgoing_dial_response",
        "Answers to requests of AutoNAT v1",
        labels=("response_status",),
    )
    for (version, status, dial), count in service.server.answers.items():
        if version == "2":
            new.add_metric((_name(status), _name(dial)), count)
        else:
            old.add_metric((_name(status),), count)
    yield from (new, old)


def _name(status: str) -> str:
    """
    Return the name of a status in the specification.
    """
    return status.upper() if status in ("ok", "unused") else f"E_{status.upper()}"
