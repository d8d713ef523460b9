# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The layer of a private network: it encrypts all bytes of a transport.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocolFactory,
)
from twisted.protocols.policies import WrappingFactory
from zope.interface import implementer

from twisted_libp2p.pacing import Layer
from twisted_libp2p.transport.private.network import PrivateNetwork
from twisted_libp2p.transport.private.xsalsa20 import (
    NONCE_SIZE,
    Keystream,
)

__all__ = ["PrivateConnection", "PrivateFactory"]


@implementer(IHalfCloseableProtocol)
class PrivateConnection(Layer):
    """
    One connection inside a private network.  Below everything else it encrypts the
    written bytes and decrypts the received ones, and has no other effect.

    Our nonce leaves as soon as there is a connection, together with the first bytes of
    the wrapped protocol: js-libp2p sends nothing before it has received a nonce.
    """

    factory: PrivateFactory

    _encrypt: Keystream | None = None
    _decrypt: Keystream | None = None
    _partialNonce = b""

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol, and send our nonce if that has not sent it.
        """
        super().makeConnection(transport)
        if self._encrypt is None:
            nonce, self._encrypt = self.factory.network.begin()
            self.below.write(nonce)

    def dataReceived(self, data: bytes) -> None:
        """
        Decrypt; the first bytes are the peer's nonce.
        """
        if self._decrypt is None:
            data = self._partialNonce + data
            if len(data) < NONCE_SIZE:
                self._partialNonce = data
                return
            self._decrypt = self.factory.network.keystream(data[:NONCE_SIZE])
            data = data[NONCE_SIZE:]
        if data and self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(self._decrypt(data))

    def write(self, data: bytes) -> None:
        """
        Encrypt and send.
        """
        if data:
            self.below.write(self._seal(data))

    def writeNow(self, data: bytes) -> None:
        """
        Encrypt and send, at once as far as the transport takes it.
        """
        if data:
            self.below.writeNow(self._seal(data))

    def _seal(self, data: bytes) -> bytes:
        """
        Encrypt; our nonce goes before the first bytes.
        """
        if self._encrypt is None:
            nonce, self._encrypt = self.factory.network.begin()
            return nonce + self._encrypt(data)
        return self._encrypt(data)


class PrivateFactory(WrappingFactory[PrivateConnection]):
    """
    Puts what a factory builds into a private network.

    @ivar network: the network.
    """

    noisy = False

    def __init__(
        self, network: PrivateNetwork, wrappedFactory: IProtocolFactory
    ) -> None:
        super().__init__(wrappedFactory)
        self.network = network

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any node.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> PrivateConnection | None:
        """
        Build the connection, and the protocol that it wraps.

        @return: None if the wrapped factory refuses.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else PrivateConnection(self, wrapped)
