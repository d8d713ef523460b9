# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peer ids in HTTP over TLS, without a libp2p connection: a client and a server prove
their ids to each other in headers (libp2p/specs, http/peer-id-auth.md).
"""

from twisted_libp2p.web.auth.agent import PeerIDAgent
from twisted_libp2p.web.auth.resource import PeerIDResource

__all__ = ["PeerIDAgent", "PeerIDResource"]
