# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests that every security protocol has to pass, for third parties to run on theirs::

    class MySecurityTests(SecurityConformance, SynchronousTestCase):
        def security(self) -> ISecurity:
            return MySecurity(self.clock)

They are in modules by subject: C{handshakes}, C{data}, C{ends} and C{flow}.
"""

from __future__ import annotations

from twisted_libp2p.testing.security.data import DataTests
from twisted_libp2p.testing.security.ends import EndTests
from twisted_libp2p.testing.security.flow import FlowTests
from twisted_libp2p.testing.security.handshakes import HandshakeTests

__all__ = ["SecurityConformance"]


class SecurityConformance(HandshakeTests, DataTests, EndTests, FlowTests):
    """
    All tests of a security protocol.  To be mixed into a C{SynchronousTestCase}, which
    overrides L{security<twisted_libp2p.testing.security.base.SecurityTests.security>}.
    """
