# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Security protocols: bytes in, authenticated bytes out; and the two values that pass
between them and a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet import interfaces as twisted_interfaces
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface

from twisted_libp2p.errors import PeerMismatch
from twisted_libp2p.identity import Identity, PeerID, PublicKey
from twisted_libp2p.interfaces.direction import Role
from twisted_libp2p.interfaces.layer import IFlushable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocolFactory

__all__ = ["Handshake", "ISecureTransport", "ISecurity", "Secured"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """
    The inputs of one handshake.

    @ivar identity: our identity.
    @ivar role: whether our side begins the handshake.
    @ivar expected: the peer that has to answer; None accepts any peer that proves its
        identity.
    @ivar muxers: the muxers to offer inside the handshake, in order of preference;
        empty to leave the choice to a later negotiation.
    @ivar failed: called once, with a typed error, if the handshake fails.
    """

    identity: Identity
    role: Role
    expected: PeerID | None
    muxers: tuple[str, ...]
    failed: Callable[[Failure], None]

    def meet(self, protocolID: str, peer: PeerID) -> None:
        """
        Check that the expected peer answers.

        @param protocolID: the security protocol, for the error.
        @raise PeerMismatch: another peer answers.
        """
        if self.expected is not None and self.expected != peer:
            raise PeerMismatch(protocolID, str(self.expected), str(peer))

    def done(self) -> Handshake:
        """
        Return a copy that no longer keeps C{failed}, and all that it refers to: the
        handshake has succeeded.
        """
        return Handshake(self.identity, self.role, self.expected, self.muxers, _ignore)


def _ignore(reason: Failure) -> None:
    """
    Take the place of C{failed} after a handshake.
    """


@dataclass(frozen=True, slots=True)
class Secured:
    """
    The outcome of a handshake.

    @ivar protocolID: the security protocol.
    @ivar remotePeer: the peer.
    @ivar remoteKey: the key by which the peer has proven its identity.
    @ivar muxer: the muxer agreed inside the handshake; None if it is still to be
        negotiated.
    """

    protocolID: str
    remotePeer: PeerID
    remoteKey: PublicKey
    muxer: str | None = None


class ISecurity(Interface):
    """
    A security protocol: Noise, TLS, and whatever third parties add.
    """

    protocolID: str = Attribute(
        "The protocol id that is proposed on the wire, such as C{/noise}."
    )
    insecure: bool = Attribute(
        "Whether it protects from nobody.  Such a protocol is proposed last, whatever"
        " the order of the arguments."
    )

    def wrap(
        handshake: Handshake, wrappedFactory: IProtocolFactory
    ) -> IProtocolFactory:
        """
        Return a factory whose protocols shake hands on their transport.

        After a successful handshake, the protocol builds the wrapped protocol by
        C{wrappedFactory}, and connects it to itself: an L{ISecureTransport}.  Nothing
        reaches the wrapped protocol before the peer is authenticated; bytes that came
        with the last handshake message are handed on after its C{connectionMade}.

        If the handshake fails, or loses its transport, C{handshake.failed} is called
        once, and the transport is dropped.  Later ends reach C{connectionLost} of the
        wrapped protocol, with a typed reason.
        """


class ISecureTransport(IFlushable, twisted_interfaces.ITransport):
    """
    An authenticated byte transport.
    """

    secured: Secured = Attribute("The outcome of the handshake.")
    announced: bool = Attribute(
        "Whether the peer has announced the end of the transport, in a way that nobody"
        " in the middle can forge."
    )
