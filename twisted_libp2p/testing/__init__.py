# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Doubles and conformance suites, for the tests of those who use this package.

L{nodes} has whole nodes in memory, for tests of protocols; L{host} has a node without
a network, for tests of services; L{topics} has thousands of routers of gossipsub in
virtual time; L{pump} joins two
protocols in memory and moves their bytes by hand; L{producer} notes when a
transport is full; L{muxer}, L{security}, L{transport}, L{peerstore} and L{quic} have
the tests that every muxer, stream, security protocol, transport, peerstore and backend
of QUIC must pass, as mixins for test cases.
"""

from twisted_libp2p.testing.host import HostDouble
from twisted_libp2p.testing.muxer import (
    MuxerConformance,
    SessionConformance,
    StreamConformance,
)
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.testing.peerstore import PeerStoreConformance
from twisted_libp2p.testing.pump import Pump
from twisted_libp2p.testing.quic import QuicBackendConformance
from twisted_libp2p.testing.security import SecurityConformance
from twisted_libp2p.testing.topics import TopicNetwork
from twisted_libp2p.testing.transport import TransportConformance

__all__ = [
    "HostDouble",
    "MemoryNodes",
    "MuxerConformance",
    "PeerStoreConformance",
    "Pump",
    "QuicBackendConformance",
    "SecurityConformance",
    "SessionConformance",
    "StreamConformance",
    "TopicNetwork",
    "TransportConformance",
]
