# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A natively muxed transport in memory: the model of transports such as QUIC.
"""

from twisted_libp2p.testing.memorymuxed.session import MemorySession
from twisted_libp2p.testing.memorymuxed.transport import (
    MemoryMuxedNetwork,
    MemoryMuxedTransport,
)

__all__ = ["MemoryMuxedNetwork", "MemoryMuxedTransport", "MemorySession"]
