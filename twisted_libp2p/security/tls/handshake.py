# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The handshake of C{/tls/1.0.0}, by OpenSSL::

    client                                                 server
           ClientHello                               ->
        <- ServerHello, {certificate, its proof, end}      1
        2  {certificate, its proof, end}, data       ->
        <-                                           data  3
"""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.security.handshake import Handshake, Secured
from twisted_libp2p.security.tls.channel import TLSChannel, explain, said
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID, Verdict

__all__ = ["TLSHandshake"]


class TLSHandshake:
    """
    One side of one handshake: a L{HandshakeMachine
    <twisted_libp2p.security.machine.HandshakeMachine>} whose messages are
    OpenSSL's.

    What was received OpenSSL holds, which has bounds of its own; so what comes
    behind the last message is not given back, but is the first that the channel
    opens.

    @ivar verdict: our part of it.
    @ivar farewell: what to tell the peer when the handshake has failed; perhaps
        nothing.
    """

    protocolID = PROTOCOL_ID
    trailing = b""

    def __init__(
        self, handshake: Handshake, now: Callable[[], float], contexts: Contexts
    ) -> None:
        """
        @param now: tells the seconds since 1970.
        @param contexts: the settings of OpenSSL, with our certificate.
        """
        self.verdict = Verdict(handshake, now)
        self.secured: Secured | None = None
        self.channel: TLSChannel | None = None
        self.farewell = b""
        self._initiator = handshake.initiator
        self._tls = contexts.connect(self, handshake.initiator)

    def start(self) -> bytes:
        """
        The first message, if we are the client.
        """
        if self._initiator:
            self._proceed()
        return said(self._tls)

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the peer.

        @return: our next messages, or nothing.
        @raise HandshakeFailed: the peer did not do its part; where it is
            somebody else than expected, a L{PeerMismatch
            <twisted_libp2p.errors.PeerMismatch>}.
        """
        if data:
            self._tls.bio_write(data)
        done = self._proceed()
        answer = said(self._tls)
        if done:
            self._complete()
        return answer

    def _proceed(self) -> bool:
        """
        Let OpenSSL go on with what it has.

        @return: whether it is content.
        """
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            self.farewell = said(self._tls)
            text, _ = explain(error)
            raise self.verdict.refusal or HandshakeFailed(PROTOCOL_ID, text) from None
        return True

    def _complete(self) -> None:
        """
        OpenSSL is content; the verdict is ours.
        """
        chain = self._tls.get_peer_cert_chain() or ()
        # A server is not shown the peer's own certificate again.
        others = len(chain) - self._initiator
        self.secured = self.verdict.complete(1 + others)
        self.channel = TLSChannel(self._tls)
