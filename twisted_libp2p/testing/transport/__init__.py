# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests that every transport must pass, whether it carries bytes or is muxed natively.

They run two nodes over the transport, on a real reactor.
"""

from __future__ import annotations

from twisted_libp2p.testing.transport.connections import ConnectionTests
from twisted_libp2p.testing.transport.streams import StreamTests

__all__ = ["TransportConformance"]


class TransportConformance(ConnectionTests, StreamTests):
    """
    Mix this into a C{twisted.trial.unittest.TestCase}, and define C{reactor},
    C{makeTransport}, C{listenAddress} and C{deadAddress}, as they are described in
    L{TransportBase<twisted_libp2p.testing.transport.base.TransportBase>}.
    """
