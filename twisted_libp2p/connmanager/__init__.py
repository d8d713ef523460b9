# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connection manager: which connections there are.

Connections enter when they are ready and leave when they have ended; this
room tells the event bus of both, and ends them all when the node stops.
"""

from twisted_libp2p.connmanager.service import ConnectionManager

__all__ = ["ConnectionManager"]
