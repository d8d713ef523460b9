# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What goes into a security handshake, and what comes out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.python.failure import Failure

from twisted_libp2p.errors import PeerMismatch
from twisted_libp2p.identity import Identity, PeerID, PublicKey

__all__ = ["Handshake", "Secured"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """
    What our side brings to one handshake.

    @ivar identity: who we are.
    @ivar initiator: whether our side opened the connection.
    @ivar expected: who has to answer; None accepts anybody who proves to be
        somebody.
    @ivar muxers: the muxers to offer inside the handshake, in the order of
        preference; empty to leave the choice to a later negotiation.
    @ivar failed: called once, with a typed error, when the handshake fails.
    """

    identity: Identity
    initiator: bool
    expected: PeerID | None
    muxers: tuple[str, ...]
    failed: Callable[[Failure], None]

    def meet(self, protocolID: str, peer: PeerID) -> None:
        """
        Check that who answers is who is expected.

        @param protocolID: the security protocol, for the error.
        @raise PeerMismatch: it is somebody else.
        """
        if self.expected is not None and self.expected != peer:
            raise PeerMismatch(protocolID, str(self.expected), str(peer))

    def done(self) -> Handshake:
        """
        @return: what is left when it has not failed: who would have been told of
            that need not be kept.
        """
        return Handshake(
            self.identity, self.initiator, self.expected, self.muxers, _told
        )


def _told(reason: Failure) -> None:
    """
    Where nobody has to be told.
    """


@dataclass(frozen=True, slots=True)
class Secured:
    """
    What a handshake has proven and agreed.

    @ivar protocolID: the security protocol.
    @ivar remotePeer: who the peer is.
    @ivar remoteKey: the key that proved it.
    @ivar muxer: the muxer agreed inside the handshake; None if it is still to
        be negotiated.
    """

    protocolID: str
    remotePeer: PeerID
    remoteKey: PublicKey
    muxer: str | None = None
