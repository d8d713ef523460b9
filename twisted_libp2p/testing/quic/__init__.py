# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The conformance suite of backends of QUIC, and two endpoints joined in memory.
"""

from twisted_libp2p.testing.quic.conformance import QuicBackendConformance
from twisted_libp2p.testing.quic.pair import End, QuicPair

__all__ = ["End", "QuicBackendConformance", "QuicPair"]
