# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connection manager: the connections of a node, and their number.

It approves connections before they are dialed or accepted, takes them when they are
ready and drops them when they have ended, publishes an event of both, and ends them
all when the node stops.  Meanwhile it counts them
(L{scopes<twisted_libp2p.limits.scope>}), refuses some
(L{limits<twisted_libp2p.limits.limits>},
L{gater<twisted_libp2p.connmanager.gater>}), trims the most expendable ones, and
redials protected peers.

The interface follows that of go-libp2p's connection and resource managers;
there is no specification (libp2p/specs, pull request 161, is an introduction).
"""

from twisted_libp2p.connmanager.expendability import ByValue
from twisted_libp2p.connmanager.filegater import FileGater
from twisted_libp2p.connmanager.gater import ListGater, OpenGater
from twisted_libp2p.connmanager.policy import Backoff, ConnectionPolicy
from twisted_libp2p.connmanager.service import ConnectionManager
from twisted_libp2p.connmanager.tags import expiring, fading, halving

__all__ = [
    "Backoff",
    "ByValue",
    "ConnectionManager",
    "ConnectionPolicy",
    "FileGater",
    "ListGater",
    "OpenGater",
    "expiring",
    "fading",
    "halving",
]
