# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Relays and mapped ports, as metrics under the names of go-libp2p and as lines of the
status page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from twisted_libp2p.interfaces import AddressSource
from twisted_libp2p.node import Node
from twisted_libp2p.portmap.service import PortMapping
from twisted_libp2p.relay.autorelay import AutoRelay
from twisted_libp2p.relay.holding import Holding
from twisted_libp2p.relay.messages import Status
from twisted_libp2p.relay.port import CircuitPort
from twisted_libp2p.relay.service import RelayService

__all__ = ["relayLines", "relayMetrics"]

#: The reasons of refusals, as go-libp2p calls them; other answers are errors.
_REJECTIONS: Final = {
    Status.RESERVATION_REFUSED: "ip constraint violation",
    Status.RESOURCE_LIMIT_EXCEEDED: "resource limit exceeded",
    Status.PERMISSION_DENIED: "permission denied",
    Status.NO_RESERVATION: "no reservation",
    Status.MALFORMED_MESSAGE: "malformed message",
}

#: The requests that a relay counts, as go-libp2p calls them in its names.
_REQUESTS: Final = {"reserve": "reservation", "connect": "connection"}


def relayMetrics(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the relay service, if the node has it, and of the places at
    other relays.

    @param core: the module C{prometheus_client.core}.
    """
    for service in node.services:
        if isinstance(service, RelayService):
            yield from _service(service, core)
        elif isinstance(service, AutoRelay):
            yield core.GaugeMetricFamily(
                "libp2p_autorelay_status",
                "Whether relays are wanted",
                value=int(service.active),
            )
            yield from _candidates(service, core)
    yield core.GaugeMetricFamily(
        "libp2p_autorelay_desired_reservations",
        "Wanted places at relays",
        value=len(_holdings(node)),
    )
    yield core.GaugeMetricFamily(
        "libp2p_autorelay_relay_addresses_count",
        "Addresses that lead here through relays",
        value=sum(
            each.source is AddressSource.RELAYED for each in node.ownAddresses.all()
        ),
    )


def _candidates(service: AutoRelay, core: Any) -> Iterator[Any]:
    """
    Count the peers that may become relays of this node.
    """
    support = core.CounterMetricFamily(
        "libp2p_autorelay_candidates_circuit_v2_support",
        "Identified peers, by whether they are relays",
        labels=("support",),
    )
    for found, name in ((True, "yes"), (False, "no")):
        support.add_metric((name,), service.relaysMet[found])
    candidates = core.CounterMetricFamily(
        "libp2p_autorelay_candidates", "Candidates", labels=("type",)
    )
    candidates.add_metric(("added",), service.choosing.added)
    candidates.add_metric(("removed",), service.choosing.removed)
    yield from (support, candidates)


def _service(service: RelayService, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of a relay service.
    """
    prefix = "libp2p_relaysvc"
    yield core.GaugeMetricFamily(
        f"{prefix}_status", "Whether this node is a relay", value=int(service.running)
    )
    book = service.book
    reservations = core.CounterMetricFamily(
        f"{prefix}_reservations", "Reservations", labels=("type",)
    )
    for kind, count in (
        ("opened", book.given),
        ("renewed", book.renewed),
        ("closed", book.given - len(book)),
    ):
        reservations.add_metric((kind,), count)
    yield reservations
    circuits = core.CounterMetricFamily(
        f"{prefix}_connections", "Circuits", labels=("type",)
    )
    opened = service.answers.get(("connect", Status.OK), 0)
    circuits.add_metric(("opened",), opened)
    circuits.add_metric(("closed",), opened - len(service.splices))
    yield circuits
    for request, name in _REQUESTS.items():
        yield from _answers(service, core, request, f"{prefix}_{name}")
    passed = sum(each.forth + each.back for each in service.splices)
    yield core.CounterMetricFamily(
        f"{prefix}_data_transferred_bytes",
        "Bytes that circuits have passed on",
        value=service.relayed + passed,
    )


def _answers(
    service: RelayService, core: Any, request: str, name: str
) -> Iterator[Any]:
    """
    Generate the metrics of the answers to one kind of request.
    """
    found: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for (kind, status), count in service.answers.items():
        if kind == request:
            reason = _REJECTIONS.get(status)
            if status is Status.OK:
                found["ok"] += count
            elif reason is None:
                found["error"] += count
            else:
                found["rejected"] += count
                reasons[reason] += count
    for suffix, about, label, values in (
        ("request_response_status", "Answers to requests", "status", found),
        ("rejections", "Refused requests", "reason", reasons),
    ):
        family = core.CounterMetricFamily(f"{name}_{suffix}", about, labels=(label,))
        for value, count in values.items():
            family.add_metric((value,), count)
        yield family


def _holdings(node: Node) -> list[Holding]:
    """
    Return the wanted places at relays.
    """
    return [
        each.port.holding
        for each in node.listeners
        if isinstance(each.port, CircuitPort)
    ]


def relayLines(node: Node) -> list[str]:
    """
    Return the lines of the status page about relays and mapped ports.
    """
    lines = []
    for each in _holdings(node):
        state = each.reserving.state.value
        why = "" if each.held or each.problem is None else f": {each.problem}"
        lines.append(f"place at the relay {each.relay}: {state}{why}")
    for service in node.services:
        if isinstance(service, RelayService) and service.running:
            lines.append(
                f"relay for others: {len(service.book)} reservations,"
                f" {len(service.splices)} circuits, {service.relayed} bytes of circuits"
                " that have ended"
            )
        elif isinstance(service, PortMapping):
            for port, addresses in service.mapped.items():
                lines.append(f"{port} is mapped to {', '.join(map(str, addresses))}")
            if service.problem is not None:
                lines.append(str(service.problem))
    return lines
