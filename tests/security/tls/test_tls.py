# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.tls}.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.security.tls.forgery import NOW
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, ISecurity, Role
from twisted_libp2p.security.tls import TLS
from twisted_libp2p.testing.security import SecurityConformance


class TLSConformanceTests(SecurityConformance, SynchronousTestCase):
    """
    TLS is a security protocol.
    """

    earlyMuxers = True
    # The version in the header of the first record (RFC 8446, 5.1).
    meaningless = frozenset({2})
    # The signature in a handshake has 72 bytes or, seldom, some less.
    slack = 8
    stride = 5

    def setUp(self) -> None:
        """
        Make one object for all connections.
        """
        super().setUp()
        self._tls = TLS(self.clock)

    def security(self) -> ISecurity:
        """
        TLS.
        """
        return self._tls


class TLSTests(SynchronousTestCase):
    """
    Tests for L{TLS}.
    """

    def setUp(self) -> None:
        """
        Count the contexts that are made.
        """
        self.made = made = []  # type: ignore[var-annotated]

        class Counted(SSL.Context):
            """
            A context that is counted.
            """

            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                made.append(self)

        self.patch(SSL, "Context", Counted)
        self.tls = TLS(Clock(), lambda: NOW)

    def connection(
        self, identity: Identity, initiator: bool, muxers: tuple[str, ...] = ()
    ) -> SSL.Connection:
        """
        Begin a connection.
        """
        handshake = Handshake(
            identity, Role.CLIENT if initiator else Role.SERVER, None, muxers, self.fail
        )
        factory = self.tls.wrap(handshake, Factory.forProtocol(Protocol))
        machine: Any = factory.buildProtocol(None)._machine
        first = machine.start()
        if not initiator:
            # A server has no connection before it knows the client's first message.
            client = Handshake(
                Identity.generate(), Role.CLIENT, None, muxers, self.fail
            )
            other: Any = TLS(Clock(), lambda: NOW).wrap(client, Factory())
            first = other.buildProtocol(None)._machine.start()
            machine.receive(first)
        connection: SSL.Connection = machine._tls
        return connection

    def test_oneContext(self) -> None:
        """
        An identity has one context for each side, however many connections
        there are, and whatever these expect and offer.
        """
        identities = [Identity.generate(), Identity.generate()]
        seen = set()
        for identity in identities:
            for initiator in (True, False):
                contexts = {
                    self.connection(identity, initiator, muxers).get_context()
                    for muxers in ((), ("/a",), ("/b", "/a"))
                }
                self.assertEqual(len(contexts), 1)
                seen |= contexts
        self.assertEqual(len(seen), 4)
        self.assertLessEqual(seen, set(self.made))

    def test_oneCertificate(self) -> None:
        """
        An identity shows the same certificate on both sides; another identity
        shows another.
        """
        ours, other = Identity.generate(), Identity.generate()
        shown = [
            self.connection(identity, initiator).get_certificate(as_cryptography=True)
            for identity in (ours, other)
            for initiator in (True, False, True)
        ]
        self.assertEqual(len(set(shown[:3])), 1)
        self.assertEqual(len(set(shown)), 2)
