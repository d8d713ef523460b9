# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/ipfs/ping/1.0.0}: 32 random bytes come back (libp2p/specs, ping/ping.md).
"""

from twisted_libp2p.protocols.ping.protocol import PROTOCOL_ID, Ping
from twisted_libp2p.protocols.ping.responder import PingFactory, PingResponder
from twisted_libp2p.protocols.ping.service import PingService

__all__ = ["PROTOCOL_ID", "Ping", "PingFactory", "PingResponder", "PingService"]
