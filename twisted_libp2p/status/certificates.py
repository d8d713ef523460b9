# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The certificate of AutoTLS in words, and as metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.node import Node

__all__ = ["certificateLines", "certificateMetrics", "certificateText"]


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def certificateLines(node: Node) -> list[str]:
    """
    Return the lines of the status page about the certificate, if the node gets one.
    """
    lines = []
    for service in node.services:
        if isinstance(service, AutoTLS):
            lines.append(f"AutoTLS: {service.wanted}: {certificateText(service)}")
            if service.problem is not None:
                lines.append(f"AutoTLS: {service.problem}")
    return lines


def certificateText(service: AutoTLS) -> str:
    """
    Describe the certificate, and when the next one is asked for.
    """
    present = service.certificate.present
    text = "none yet" if present is None else f"valid until {_date(present.expires)}"
    due = service.due
    if due is not None:
        return f"{text}, the next request {_date(due)}"
    asking = service.state == "asking"
    return f"{text}, {'asked for now' if asking else 'no address that can be dialed'}"


def certificateMetrics(node: Node, core: Any) -> Iterator[Any]:
    """
    Generate the metrics of the certificate, if the node gets one.

    @param core: the module C{prometheus_client.core}.
    """
    for service in node.services:
        if isinstance(service, AutoTLS):
            present = service.certificate.present
            yield core.GaugeMetricFamily(
                "libp2p_autotls_certificate_expires_seconds",
                "End of the certificate of AutoTLS, in seconds since 1970; 0 without",
                value=0 if present is None else present.expires,
            )
            yield core.GaugeMetricFamily(
                "libp2p_autotls_failures",
                "Failed requests for a certificate since the last success",
                value=service.failures,
            )
