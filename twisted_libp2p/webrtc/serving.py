# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Serving and dialing WebRTC-direct: the handshake of Noise inside a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twisted_libp2p.interfaces import Handshake, IQuicConnections, Role
from twisted_libp2p.quic.begin import WebDial
from twisted_libp2p.quic.certified import CertifiedListener, CertifiedServing
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.pins import multihash, pinsOf
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.webrtc.association import Association
from twisted_libp2p.webrtc.endpoint import RtcEndpoint
from twisted_libp2p.webrtc.streams import RtcStreams

__all__ = ["RtcServing", "prologue"]

_PREFIX = b"libp2p-webrtc-noise:"


def prologue(association: Association) -> bytes:
    """
    Return the prologue of the handshake: the certificates of the dialer and of the
    listener.  Nobody can put others between.
    """
    certificate = association.machine.certificate() or b""
    theirs = multihash(certificate)
    ours = association.hash
    return _PREFIX + (ours + theirs if association.dialed else theirs + ours)


class RtcServing(CertifiedServing):
    """
    Serves browsers on the sockets of a transport.
    """

    def _listener(self, hub: QuicHub) -> CertifiedListener:
        """
        Make the port of a listener.
        """
        return CertifiedListener(hub, self._stopped)

    def _begin(
        self,
        below: IQuicConnections,
        handle: int,
        handshake: Handshake,
        early: Sequence[tuple[object, ...]],
    ) -> RtcStreams:
        """
        Begin the handshake of Noise, whose initiator is the listener.
        """
        if not isinstance(below, RtcEndpoint):
            raise TypeError("only connections of WebRTC go on like this")
        association = below.association(handle)
        role = Role.SERVER if association.dialed else Role.CLIENT
        inputs = replace(handshake, role=role, muxers=())
        noise = NoiseHandshake(inputs, self._static, prologue=prologue(association))
        return RtcStreams(association, noise, early)

    def dial(self, hashes: frozenset[bytes]) -> WebDial:
        """
        Return how a dial goes on.

        @param hashes: the multihashes that the address names.
        @raise ValueError: none of them is of SHA-256.
        """
        return WebDial(pinsOf(hashes), self._begin)
