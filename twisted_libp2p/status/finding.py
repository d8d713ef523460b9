# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ways to find peers, as metrics (under the names of go-libp2p-kad-dht where it has
them) and as lines of the status page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.node import Node

__all__ = ["findingLines", "findingMetrics"]

_KAD = "libp2p_io_dht_kad"


def findingMetrics(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the routings of a node, and of its DHT.

    @param core: the module C{prometheus_client.core}.
    """
    lookups = core.CounterMetricFamily(
        "libp2p_routing_lookups",
        "Lookups of the addresses of a peer",
        labels=("routing", "outcome"),
    )
    for (routing, outcome), count in node.routing.outcomes.items():
        lookups.add_metric((routing, outcome), count)
    yield lookups
    for service in node.services:
        if isinstance(service, KademliaDHT):
            yield from _dht(service, core)
        elif isinstance(service, Bootstrap):
            states = service.states()
            yield core.GaugeMetricFamily(
                "libp2p_bootstrap_peers_connected",
                "Connected bootstrap peers",
                value=sum(each.connected for each in states),
            )
        elif isinstance(service, MdnsService):
            yield core.GaugeMetricFamily(
                "libp2p_mdns_peers",
                "Peers seen on the local network",
                value=len(service.peers),
            )
        elif isinstance(service, RendezvousPoint):
            yield core.GaugeMetricFamily(
                "libp2p_rendezvous_registrations",
                "Registrations at this point",
                value=service.registrations,
            )


def _dht(dht: KademliaDHT, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of a DHT.
    """
    usage = dht.usage()
    for name, about, counts in (
        ("sent_requests", "Requests to other servers", usage.sent),
        ("sent_request_errors", "Requests without a valid answer", usage.failed),
        ("received_messages", "Requests of other peers", usage.received),
    ):
        yield _counted(core, f"{_KAD}_{name}", about, "message_type", counts)
    yield core.CounterMetricFamily(
        f"{_KAD}_received_message_errors",
        "Streams that were reset since a request broke the rules",
        value=usage.refused,
    )
    yield _counted(
        core, "libp2p_dht_lookups", "Lookups by their end", "ending", usage.lookups
    )
    for name, about, value in (
        (f"{_KAD}_network_size", "Estimated servers in the network", dht.size or 0.0),
        ("libp2p_dht_server", "Whether this node is a server", int(dht.serving)),
        ("libp2p_dht_table_peers", "Servers in the routing table", len(dht.table)),
        ("libp2p_dht_values", "Values stored for others", len(dht.values)),
        ("libp2p_dht_providers", "Providers stored for others", len(dht.providers)),
    ):
        yield core.GaugeMetricFamily(name, about, value=value)


def _counted(
    core: Any, name: str, about: str, label: str, counts: Mapping[Any, int]
) -> Any:
    """
    Make the counter of something by its kind.
    """
    family = core.CounterMetricFamily(name, about, labels=(label,))
    for kind, count in counts.items():
        text = kind.value if isinstance(kind.value, str) else kind.name
        family.add_metric((text,), count)
    return family


def findingLines(node: Node) -> list[str]:
    """
    Return the lines of the status page about the ways to find peers.
    """
    lines = []
    for service in node.services:
        if isinstance(service, Bootstrap):
            lines.append(service.explain())
        elif isinstance(service, MdnsService):
            lines.append(f"local network: {len(service.peers)} peers seen")
        elif isinstance(service, RendezvousPoint):
            lines.append(f"rendezvous point: {service.registrations} registrations")
        elif isinstance(service, KademliaDHT):
            lines.append(_line(service))
    for (routing, outcome), count in sorted(node.routing.outcomes.items()):
        lines.append(f"lookups of peers by {routing}: {count} {outcome}")
    return lines


def _line(dht: KademliaDHT) -> str:
    """
    Describe a DHT.
    """
    role = "server" if dht.serving else "client"
    size = "" if dht.size is None else f", of about {dht.size:.0f} in the network"
    lookups = dht.usage().lookups.total()
    return (
        f"{role} of the DHT {dht.protocol}: {len(dht.table)} servers in the"
        f" table{size};"
        f" {lookups} lookups; {len(dht.values)} values and {len(dht.providers)}"
        " providers stored for others"
    )
