# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The handshake of Noise in channel 0 of a connection of WebRTC.
"""

from __future__ import annotations

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.interfaces import Secured
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.webrtc.association import Association
from twisted_libp2p.webrtc.channel import BUFFER
from twisted_libp2p.webrtc.messages import Flag, MessageReader, encode

__all__ = ["PROOF", "RUST_STREAM_WAIT", "RUST_WAIT", "Proof"]

#: The channel of the handshake.
PROOF = 0

#: Seconds before our first message to a dialer on rust-libp2p 0.57.  If it comes before
#: the dialer has opened channel 0, its dial fails after 10 s (webrtc 0.17.2,
#: src/sctp_transport/mod.rs, accept_data_channels).
RUST_WAIT = 0.1

#: The most seconds after the handshake in which it gets no streams of ours: it loses
#: channels that come too early (libp2p-webrtc 0.10.0-alpha, src/tokio/connection.rs,
#: Connection::new).  Its own first channel ends this time.
RUST_STREAM_WAIT = 2.0

#: The name in the certificates that it makes (rcgen 0.13).
_RUST = b"rcgen self signed cert"


class Proof:
    """
    The handshake.  Its initiator is the listener.
    """

    def __init__(self, below: Association, noise: NoiseHandshake) -> None:
        self._below = below
        self._noise = noise
        self._reader = MessageReader()
        # Whether the peer has been reported.
        self._done = False
        # The first message, as long as it has not been sent.
        self._first = noise.start()
        certificate = below.machine.certificate() or b""
        self._patient = not below.dialed and _RUST in certificate
        #: The time of the next step; None if it has none.
        self.due: float | None = None
        if not self._patient:
            self._begin()

    def _begin(self) -> None:
        """
        Send the first message.
        """
        first, self._first = self._first, b""
        if first:
            self._send(first)

    @property
    def proven(self) -> bool:
        """
        Whether the peer has proven who it is.
        """
        return self._noise.secured is not None

    def advance(self, now: float, opened: bool) -> Secured | None:
        """
        Do the next step, if there is one and its time has come.

        @param opened: whether the peer has opened a channel.
        @return: the peer, once, when it has proven who it is.
        """
        secured = self._noise.secured
        if self._done or not (self._first or secured):
            return None
        if self._patient and not (secured and opened):
            if self.due is None:
                self.due = now + (RUST_STREAM_WAIT if secured else RUST_WAIT)
            if now < self.due:
                return None
        self.due = None
        if self._first:
            self._begin()
            return None
        self._done = True
        return secured

    def _send(self, data: bytes) -> None:
        for each in encode(data):
            self._below.machine.write(PROOF, each)

    def read(self) -> None:
        """
        Read what has come on the channel.

        @raise InvalidInput: the peer breaks a rule.
        @raise HandshakeFailed: the peer is not accepted.
        """
        data, text = self._below.machine.read(PROOF, BUFFER)
        if self._noise.secured is not None:
            return
        if text:
            raise InvalidInput("a message of text")
        for each in self._reader.feed(data):
            if each.flag in (Flag.FIN, Flag.RESET) and not each.data:
                raise InvalidInput("the peer has ended the handshake of Noise")
            if each.data:
                self._receive(each.data)
            if self._noise.secured is not None:
                return

    def _receive(self, data: bytes) -> None:
        noise = self._noise
        answer = noise.receive(data)
        if answer:
            self._send(answer)
        if noise.secured is not None and noise.trailing:
            raise InvalidInput("there are bytes after the handshake of Noise")
