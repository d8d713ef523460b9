# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reachability of a node, as metrics under the names of go-libp2p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from twisted_libp2p.holepunch.service import HolePunching
from twisted_libp2p.interfaces import Reachability, Verdict
from twisted_libp2p.node import Node
from twisted_libp2p.reachability.service import ReachabilityService

__all__ = ["punching", "reaching"]

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


#: The verdicts on an address, as go-libp2p calls them.
_REACHED: Final = {
    Verdict.REACHABLE: "public",
    Verdict.UNREACHABLE: "private",
    Verdict.UNKNOWN: "unknown",
}

#: The answers of version 1 by what they have shown, as go-libp2p calls them.
_OLDER: Final = {
    Verdict.REACHABLE: "ok",
    Verdict.UNREACHABLE: "dial error",
    Verdict.UNKNOWN: "unknown",
}

#: The errors of a server by its answers, as go-libp2p calls them.
_ERRORS: Final = {
    "internal_error": "other",
    "request_rejected": "resource limit exceeded",
    "bad_request": "bad request",
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
        yield from _asked(service, core)
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
        labels=(
            "server_error",
            "response_status",
            "dial_status",
            "dial_data_required",
            "ip_or_dns_version",
            "transport",
        ),
    )
    old = core.CounterMetricFamily(
        "libp2p_autonat_outgoing_dial_response",
        "Answers to requests of AutoNAT v1",
        labels=("response_status",),
    )
    refused = core.CounterMetricFamily(
        "libp2p_autonat_outgoing_dial_refused",
        "Refused requests of AutoNAT v1",
        labels=("refusal_reason",),
    )
    for answer, count in service.server.answers.items():
        if answer.version == "2":
            new.add_metric(
                (
                    _ERRORS.get(answer.status, "nil"),
                    _name(answer.status),
                    _name(answer.dial),
                    str(answer.paid).lower(),
                    *(answer.place or ("", "")),
                ),
                count,
            )
        else:
            old.add_metric((answer.status.removeprefix("e_").replace("_", " "),), count)
            if answer.status == "dial_refused":
                refused.add_metric(("dial blocked",), count)
    yield from (new, old, refused)


def _asked(service: ReachabilityService, core: Any) -> Iterator[Any]:
    """
    Count the answers to our questions.
    """
    family = core.CounterMetricFamily(
        "libp2p_autonatv2_client_requests_completed",
        "Answers to our questions of AutoNAT v2",
        labels=(
            "ip_or_dns_version",
            "transport",
            "addr_count",
            "dial_refused",
            "reachability",
        ),
    )
    older = core.CounterMetricFamily(
        "libp2p_autonat_received_dial_response",
        "Answers to our questions of AutoNAT v1",
        labels=("response_status",),
    )
    for question, count in service.questions.answers.items():
        if question.version == 2:
            family.add_metric(
                (
                    question.family,
                    question.transport,
                    # We ask about one address at a time.
                    "1",
                    str(question.refused).lower(),
                    _REACHED[question.verdict],
                ),
                count,
            )
        else:
            status = "dial refused" if question.refused else _OLDER[question.verdict]
            older.add_metric((status,), count)
    yield from (family, older)


def punching(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of hole punching.

    @param core: the module C{prometheus_client.core}.
    """
    prefix = "libp2p_holepunch"
    for service in node.services:
        if not isinstance(service, HolePunching):
            continue
        record = service.record
        dials = core.CounterMetricFamily(
            f"{prefix}_direct_dials",
            "Dials of peers that seemed to be public",
            labels=("outcome",),
        )
        for outcome, count in record.dials.items():
            dials.add_metric((outcome,), count)
        addresses = core.CounterMetricFamily(
            f"{prefix}_address_outcomes",
            "Own addresses in attempts to punch a hole",
            labels=("side", "num_attempts", "ipv", "transport", "outcome"),
        )
        for (side, exchanges, *kind, outcome), count in record.addresses.items():
            addresses.add_metric((side, str(exchanges), *kind, outcome), count)
        outcomes = core.CounterMetricFamily(
            f"{prefix}_outcomes",
            "Attempts to punch a hole",
            labels=("side", "num_attempts", "outcome"),
        )
        for (side, exchanges, outcome), count in record.outcomes.items():
            outcomes.add_metric((side, str(exchanges), outcome), count)
        yield from (dials, addresses, outcomes)


def _name(status: str) -> str:
    """
    Return the name of a status in the specification.
    """
    return status.upper() if status in ("ok", "unused") else f"E_{status.upper()}"
