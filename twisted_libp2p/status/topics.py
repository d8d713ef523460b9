# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics, as metrics and as lines of the status page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted_libp2p.node import Node
from twisted_libp2p.pubsub.service import PubSub

__all__ = ["topicLines", "topicMetrics"]


def topicMetrics(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of topics, if the node has the service.

    @param core: the module C{prometheus_client.core}.
    """
    for service in node.services:
        if isinstance(service, PubSub):
            yield from _service(service, core)


def _service(service: PubSub, core: Any) -> Iterator[Any]:
    usage = service.usage
    for name, text, value in (
        ("peers", "Connected peers that speak pubsub", usage.peers),
        ("queued_bytes", "Messages that wait for peers", usage.queued),
        ("history_bytes", "Memory of the recent messages", usage.history),
        ("seen", "Messages that are known as seen", usage.seen),
        ("validating", "Messages that are validated", usage.validating),
    ):
        yield core.GaugeMetricFamily(f"libp2p_pubsub_{name}", text, value=value)
    for name, text in (("topic_peers", "Subscribed"), ("mesh_peers", "Mesh")):
        family = core.GaugeMetricFamily(
            f"libp2p_pubsub_{name}", f"{text} peers of a topic", labels=("topic",)
        )
        for topic in service.topics:
            peers = topic.mesh if name == "mesh_peers" else topic.peers
            family.add_metric((topic.name,), len(peers))
        yield family


def topicLines(node: Node) -> list[str]:
    """
    Return the lines of the status page about topics.
    """
    lines = []
    for service in node.services:
        if isinstance(service, PubSub) and service.running:
            usage = service.usage
            lines.append(
                f"topics: {usage.peers} peers, {usage.queued} bytes wait for them,"
                f" {usage.history} bytes of recent messages, {usage.seen} messages seen"
            )
            lines += [
                f"topic {each.name}: {len(each.peers)} peers, {len(each.mesh)} in the"
                " mesh"
                for each in service.topics
            ]
    return lines
