# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of the layer of a security protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory
from twisted.protocols.policies import WrappingFactory

from twisted_libp2p.interfaces import Handshake
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.wrapper import SecureTransport

__all__ = ["SecureFactory"]


class SecureFactory(WrappingFactory[SecureTransport]):
    """
    Builds the L{SecureTransport} of one connection.

    @ivar handshake: the inputs of the handshake.
    @ivar clock: the reactor, which ends the turn in which small writes are joined.
    """

    noisy = False

    def __init__(
        self,
        handshake: Handshake,
        wrappedFactory: IProtocolFactory,
        machine: Callable[[], HandshakeMachine],
        clock: IReactorTime,
    ) -> None:
        """
        @param machine: makes the machine of the handshake.
        """
        super().__init__(wrappedFactory)
        self.handshake = handshake
        self.clock = clock
        self._machine: Callable[[], HandshakeMachine] | None = machine
        self._address: IAddress | None = None

    def buildProtocol(self, addr: IAddress | None) -> SecureTransport:
        """
        Build the wrapper; its wrapped protocol is built after the handshake.
        """
        self._address = addr
        assert self._machine is not None
        return SecureTransport(self, self._machine())

    def buildWrapped(self) -> Any:
        """
        Build the wrapped protocol.

        @return: None if the connection is refused.
        """
        wrapped = self.wrappedFactory.buildProtocol(self._address)
        # There is one of each for a connection, and they must not stay for as long as
        # the connection does.
        self.wrappedFactory = _SPENT
        self._machine = None
        self.handshake = self.handshake.done()
        return wrapped


#: The wrapped factory of a factory that has built its protocol.
_SPENT = Factory()
