# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a node tells of itself, over HTTP: a page for people, and metrics for
Prometheus.

Nothing here is on the way of a byte: it all comes from the event bus, and from
looking at the node when somebody asks.  What peers say of themselves is text of
theirs, and shown as such.
"""

from twisted_libp2p.status.metrics import NodeMetrics, serveMetrics
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.status.page import serveStatus
from twisted_libp2p.status.web import WebService

__all__ = ["NodeMetrics", "Observer", "WebService", "serveMetrics", "serveStatus"]
