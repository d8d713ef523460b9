# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for how the end of a connection is explained: a peer that has crashed does not
look like a peer that was stopped.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import SessionEnded, Truncated
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.testing.nodes import MemoryNodes

PROTOCOL = "/ends/1.0.0"


class EndTests(SynchronousTestCase):
    """
    A peer ends, one way or the other, over each stack.
    """

    def end(self, security: str, muxer: str, how: str) -> tuple[Failure, Failure]:
        """
        Connect two nodes, open a stream, and end the dialing node.

        @param how: C{"stop"} stops it; C{"crash"} closes its transport, as the kernel
            does for a process that is gone; C{"notify"} does so after the security
            protocol has announced it.
        @return: the reasons that the other node is given, for the connection and for
            the stream.
        """
        nodes = MemoryNodes()
        stacks: dict[str, Any] = {"security": [security], "muxers": [muxer]}
        server, client = nodes.start(**stacks), nodes.start(**stacks)
        theirs = HalfCloseCollector()
        server.registry.register(PROTOCOL, Factory.forProtocol(lambda: theirs))
        closed: list[ClosedConn] = []
        server.events.subscribe(ClosedConn, closed.append)
        connection, _ = nodes.connect(client, server)
        opened: Any = nodes.result(
            connection.openStream(PROTOCOL, Factory.forProtocol(HalfCloseCollector))
        )
        nodes.settle()
        secure = opened.stream.session.transport
        if how == "stop":
            nodes.result(client.stopService())
        elif how == "crash":
            secure.transport.unregisterProducer()
            secure.transport.loseConnection()
        else:
            secure.unregisterProducer()
            secure.loseConnection()
        nodes.settle()
        (event,) = closed
        (reason,) = theirs.reasons
        nodes.stop()
        return event.reason, reason

    def test_crash(self) -> None:
        """
        A transport that ends without an announcement is truncated, over each stack.
        """
        for security in ("noise", "tls", "insecure-plaintext"):
            for muxer in ("yamux", "mplex"):
                for reason in self.end(security, muxer, "crash"):
                    reason.trap(Truncated)
                    self.assertIsNone(reason.check(ConnectionDone))

    def test_stop(self) -> None:
        """
        A node that is stopped announces it, by yamux or by TLS.
        """
        for security, muxer in (("noise", "yamux"), ("tls", "yamux"), ("tls", "mplex")):
            connection, stream = self.end(security, muxer, "stop")
            self.assertIsNone(connection.check(Truncated), (security, muxer))
            self.assertIsNone(stream.check(ConnectionDone, Truncated))

    def test_cannotAnnounce(self) -> None:
        """
        Over Noise and mplex nobody can announce it.
        """
        connection, _ = self.end("noise", "mplex", "stop")
        connection.trap(Truncated)

    def test_notified(self) -> None:
        """
        The security's own announcement is enough: TLS has one, Noise does not.
        """
        connection, stream = self.end("tls", "yamux", "notify")
        connection.trap(ConnectionDone)
        stream.trap(SessionEnded)
        connection, stream = self.end("noise", "yamux", "notify")
        connection.trap(Truncated)
        stream.trap(Truncated)
