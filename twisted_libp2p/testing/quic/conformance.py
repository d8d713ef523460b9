# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests that every backend of QUIC must pass.
"""

from __future__ import annotations

from twisted_libp2p.testing.quic.defence import DefenceTests
from twisted_libp2p.testing.quic.handshakes import HandshakeTests
from twisted_libp2p.testing.quic.streams import StreamTests

__all__ = ["QuicBackendConformance"]


class QuicBackendConformance(HandshakeTests, StreamTests, DefenceTests):
    """
    The suite, as a mixin for a synchronous C{TestCase}, which has to define
    L{makeBackend<twisted_libp2p.testing.quic.base.QuicBase.makeBackend>}.
    """
