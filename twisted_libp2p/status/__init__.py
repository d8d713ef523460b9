# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The state of a node over HTTP: a page for people, metrics for Prometheus, and a page
that is a peer of its own.

Nothing here is on the path of a byte: it all comes from the event bus, and from looks
at the node when a request comes.  Texts of peers are shown as text.
"""

from twisted_libp2p.status.metrics import NodeMetrics, serveMetrics
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.status.page import serveStatus
from twisted_libp2p.status.peerpage import servePeerPage
from twisted_libp2p.status.web import WebService

__all__ = [
    "NodeMetrics",
    "Observer",
    "WebService",
    "serveMetrics",
    "servePeerPage",
    "serveStatus",
]
