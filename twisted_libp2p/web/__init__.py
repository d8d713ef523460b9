# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
HTTP over libp2p: an agent for resources of peers, and a server of resources of
C{twisted.web}.

See libp2p/specs, http/README.md.
"""

from twisted_libp2p.protocols.httpbody import readSome
from twisted_libp2p.web.agent import Agent
from twisted_libp2p.web.service import WebService
from twisted_libp2p.web.site import PeerRequest

__all__ = ["Agent", "PeerRequest", "WebService", "readSome"]
