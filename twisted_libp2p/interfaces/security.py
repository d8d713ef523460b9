# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Security protocols: bytes in, authenticated bytes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet import interfaces as twisted_interfaces
from zope.interface import Attribute, Interface

from twisted_libp2p.interfaces.layer import IFlushable

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IProtocolFactory,
    )

    from twisted_libp2p.security import Handshake, Secured

__all__ = ["ISecureTransport", "ISecurity"]


class ISecurity(Interface):
    """
    A security protocol: Noise, TLS, and whatever third parties add.
    """

    protocolID: str = Attribute("What is proposed on the wire, such as C{/noise}.")
    insecure: bool = Attribute(
        "Whether it protects from nobody: such are proposed last, whatever the"
        " order in which they are given."
    )

    def wrap(
        handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> IProtocolFactory:
        """
        Give a factory whose protocols shake hands on their transport.

        When the handshake has succeeded the protocol builds one from
        C{wrappedFactory}, and makes its connection with itself as the
        transport: an L{ISecureTransport}.  Nothing reaches the wrapped
        protocol before the peer is authenticated; bytes that came with the
        last handshake message are handed on after its C{connectionMade}.

        A handshake that fails, or that loses its transport, tells
        C{handshake.failed} once and drops the transport.  Later ends reach
        the wrapped protocol's C{connectionLost}, with a typed reason.
        """


class ISecureTransport(IFlushable, twisted_interfaces.ITransport):
    """
    An authenticated byte transport.
    """

    secured: Secured = Attribute("What the handshake has proven and agreed.")
    announced: bool = Attribute(
        "Whether the peer has announced the end of the transport, in a way that nobody"
        " in the middle can forge."
    )
