# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the limits on streams of a node.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.connmanager.crowd import CrowdTestCase
from twisted_libp2p.errors import (
    ErrorCode,
    Libp2pError,
    LimitExceeded,
)
from twisted_libp2p.events import (
    LimitReached,
)
from twisted_libp2p.limits import Limits, ScopeLimits
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory


class StreamLimitTests(CrowdTestCase):
    """
    Streams of whole nodes.
    """

    def test_inbound(self) -> None:
        """
        A stream too many of a peer is reset with the code; those of others are
        not.
        """
        limits = replace(Limits.scaled(), peer=ScopeLimits(inboundStreams=3))
        self.serve(limits=limits)
        connection, other = self.connect(self.come()), self.connect(self.come())
        self.nodes.advance(1)
        for _ in range(3):
            self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        refused = connection.openStream(PROTOCOL_ID, EchoFactory())
        self.nodes.settle()
        failure = self.failureResultOf(refused, Libp2pError)
        self.assertIn(f"{ErrorCode.LIMIT_EXCEEDED:#x}", str(failure.value))
        self.nodes.result(other.openStream(PROTOCOL_ID, EchoFactory()))
        self.assertEqual(self.counts[LimitReached], 1)

    def test_inboundProtocol(self) -> None:
        """
        A stream too many of a protocol is reset with the code, whoever opens
        it; other protocols go on.
        """
        limits = replace(
            Limits.scaled(), protocols={PROTOCOL_ID: ScopeLimits(streams=1)}
        )
        self.serve(limits=limits)
        self.server.registry.register("/other", EchoFactory())
        connection, other = self.connect(self.come()), self.connect(self.come())
        self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        refused = other.openStream([PROTOCOL_ID, "/unknown"], EchoFactory())
        self.nodes.settle()
        failure = self.failureResultOf(refused, Libp2pError)
        self.assertIn(f"{ErrorCode.LIMIT_EXCEEDED:#x}", str(failure.value))
        self.nodes.result(other.openStream("/other", EchoFactory()))

    def test_outbound(self) -> None:
        """
        A stream too many of ours fails with the limit, of the peer or of the
        protocol, and leaves no trace.
        """
        limits = replace(
            Limits.scaled(),
            peer=ScopeLimits(streams=3),
            protocols={PROTOCOL_ID: ScopeLimits(streams=1)},
        )
        self.serve()
        node = self.come(limits=limits)
        connection = self.connect(node)
        self.nodes.result(connection.openStream(PROTOCOL_ID, EchoFactory()))
        for proposals in ([PROTOCOL_ID], [PROTOCOL_ID, "/unknown"]):
            refused = connection.openStream(proposals, EchoFactory())
            self.nodes.settle()
            error = self.failureResultOf(refused, LimitExceeded).value
            self.assertEqual(error.option, f"Limits.protocols[{PROTOCOL_ID}].streams")
        self.assertEqual(len(connection.streams), 1)
        self.server.registry.register("/other", EchoFactory())
        for _ in range(2):
            self.nodes.result(connection.openStream("/other", EchoFactory()))
        error = self.failureResultOf(
            connection.openStream("/other", EchoFactory()), LimitExceeded
        ).value
        self.assertEqual(error.option, "Limits.peer.streams")
        self.nodes.result(connection.close())
        self.assertEqual(node.connections.limiter.system.used, Usage())
        self.assertEqual(node.connections.limiter.protocols[PROTOCOL_ID].used, Usage())

    def test_memory(self) -> None:
        """
        The windows of a connection are paid from its scope.
        """
        self.serve()
        connection: Any = self.connect(self.come())
        session = connection._session
        self.assertIs(session.budget, connection.scope)
