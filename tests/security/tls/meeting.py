# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A base for tests: we meet a peer that is not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.security.application import Application
from tests.security.tls.foreign import Foreign
from tests.security.tls.forgery import NOW
from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security import SecureTransport
from twisted_libp2p.security.tls import TLS
from twisted_libp2p.testing.pump import Pump, PumpTransport

__all__ = ["Meeting"]


class Meeting(SynchronousTestCase):
    """
    One connection after the other.

    @ivar pump: the connection.
    @ivar layer: our side, as the transport sees it.
    @ivar application: our side, as the user does.
    @ivar failures: what the handshake has told.
    """

    pump: Pump
    layer: SecureTransport
    application: Application

    def setUp(self) -> None:
        """
        Become somebody.
        """
        self.clock = Clock()
        self.tls = TLS(self.clock, lambda: NOW)
        self.identity = Identity.generate()
        self.failures: list[Failure] = []
        self.prepare: Callable[[Application], object] = lambda application: None

    def tearDown(self) -> None:
        """
        Nothing is left to be done later.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def meet(
        self,
        initiator: bool,
        foreign: Foreign,
        muxers: tuple[str, ...] = (),
        expected: PeerID | None = None,
        until: Callable[[], bool] | None = None,
    ) -> None:
        """
        Connect our side with a peer.

        @param initiator: whether our side opens the connection.
        @param until: stop as soon as this is true; by default, when all is
            quiet.
        """
        self.failures = []
        self.application = application = Application()
        self.prepare(application)

        class Applications(Factory):
            """
            Builds the application.
            """

            def buildProtocol(self, addr: IAddress | None) -> Any:
                """
                The peer is authenticated.
                """
                return application

        handshake = Handshake(
            self.identity,
            Role.CLIENT if initiator else Role.SERVER,
            expected,
            muxers,
            self.failures.append,
        )
        layer = self.tls.wrap(handshake, Applications()).buildProtocol(None)
        assert isinstance(layer, SecureTransport)
        self.layer = layer
        sides = (layer, foreign) if initiator else (foreign, layer)
        self.pump = Pump(*sides, clock=self.clock)
        self.pump.connect()
        if until is None:
            self.pump.flush()
            return
        while not until():
            for transport in (self.pump.client, self.pump.server):
                transport.stroke()

    @property
    def below(self) -> PumpTransport:
        """
        The transport of our side.
        """
        pump = self.pump
        return pump.client if pump.client.protocol is self.layer else pump.server

    @property
    def secure(self) -> Any:
        """
        The secure transport of our application.
        """
        return self.application.transport

    def cut(self, error: Exception | None = None) -> None:
        """
        End the transport, in good order if there is no error.
        """
        for transport in (self.pump.client, self.pump.server):
            transport.lose(error or ConnectionDone())

    def assertRefused(self, message: str) -> None:
        """
        The handshake has failed for this reason, and the transport is gone.
        """
        (failure,) = self.failures
        error = failure.value
        assert isinstance(error, HandshakeFailed), error
        self.assertEqual(error.layer, "/tls/1.0.0")
        self.assertTrue(error.message.startswith(message), error.message)
        self.assertFalse(self.application.connected)
        self.assertTrue(self.below.disconnected)

    def assertLost(self, error: type[Exception]) -> Exception:
        """
        The application was told once that it is over, for this reason.
        """
        (reason,) = self.application.lost
        self.assertEqual(self.failures, [])
        value = reason.value
        assert isinstance(value, error), value
        return value
