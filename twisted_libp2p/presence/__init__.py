# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Presence: processes that share a database know which of them is connected to a peer.
"""

from twisted_libp2p.presence.routing import PresenceRouting
from twisted_libp2p.presence.service import Presence

__all__ = ["Presence", "PresenceRouting"]
