# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connection manager: which connections there are, and how many there may be.

Connections are asked for here before they are dialed or accepted, enter when
they are ready and leave when they have ended; this room tells the event bus of
both, and ends them all when the node stops.  In between it counts
(L{scopes<twisted_libp2p.limits.scope>}), refuses
(L{limits<twisted_libp2p.limits.limits>},
L{gater<twisted_libp2p.connmanager.gater>}), trims what is most expendable, and
comes back to the peers that matter.

The interface follows that of go-libp2p's connection and resource managers;
there is no specification (libp2p/specs, pull request 161, is an introduction).
"""

from twisted_libp2p.connmanager.expendability import ByValue
from twisted_libp2p.connmanager.gater import ListGater, OpenGater
from twisted_libp2p.connmanager.policy import Backoff, ConnectionPolicy
from twisted_libp2p.connmanager.service import ConnectionManager
from twisted_libp2p.connmanager.tags import expiring, fading, halving

__all__ = [
    "Backoff",
    "ByValue",
    "ConnectionManager",
    "ConnectionPolicy",
    "ListGater",
    "OpenGater",
    "expiring",
    "fading",
    "halving",
]
