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
from typing import Final

from OpenSSL import SSL

from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.tls.channel import TLSChannel, explain, said
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.hello import Hello
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID, Verdict

__all__ = ["LONGEST_HANDSHAKE", "TLSHandshake"]

#: Maximum number of bytes of a peer's whole handshake.  The longest honest one, with
#: RSA keys of 8192 bits for the identity and the certificate, has less than 8 KiB.
LONGEST_HANDSHAKE: Final = 16 * 1024


class TLSHandshake(HandshakeMachine):
    """
    One side of one handshake: a L{HandshakeMachine
    <twisted_libp2p.security.machine.HandshakeMachine>} whose messages are
    OpenSSL's.

    OpenSSL is given at most L{LONGEST_HANDSHAKE} bytes before the peer is
    authenticated; and, on the side of the server, nothing before a whole
    L{ClientHello<Hello>} has arrived.  Bytes after the last message are not given back:
    the channel opens them first.

    @ivar verdict: our decisions on the peer.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self, handshake: Handshake, now: Callable[[], float], contexts: Contexts
    ) -> None:
        """
        @param now: returns the seconds since 1970.
        @param contexts: the settings of OpenSSL, with our certificate.
        """
        self.verdict = Verdict(handshake, now)
        self.farewell = b""
        self._initiator = handshake.role is Role.CLIENT
        self._contexts = contexts
        self._hello = None if self._initiator else Hello()
        self._received = 0
        self._tls: SSL.Connection

    def start(self) -> bytes:
        """
        Return the first message, if we are the client.
        """
        if not self._initiator:
            return b""
        self._tls = self._contexts.connect(self, True)
        self._proceed()
        return said(self._tls)

    def receive(self, data: bytes) -> bytes:
        """
        Process bytes of the peer.

        @return: our next messages, or nothing.
        @raise HandshakeFailed: the handshake failed; for another peer than the
            expected one, a L{PeerMismatch<twisted_libp2p.errors.PeerMismatch>}.
        """
        if self._hello is not None:
            try:
                hello = self._hello.feed(data)
            except InvalidInput as error:
                raise HandshakeFailed(
                    PROTOCOL_ID, f"the peer's first message: {error}"
                ) from None
            if hello is None:
                return b""
            data, self._hello = hello, None
            self._tls = self._contexts.connect(self, False)
        # A read may also bring data after the handshake, which is not limited.
        room = LONGEST_HANDSHAKE - self._received
        self._received += len(data)
        if data:
            self._tls.bio_write(data[:room])
        done = self._proceed()
        answer = said(self._tls)
        if done:
            self._complete()
            if len(data) > room:
                self._tls.bio_write(data[room:])
        elif self._received > LONGEST_HANDSHAKE:
            raise HandshakeFailed(
                PROTOCOL_ID, f"more than {LONGEST_HANDSHAKE} bytes of a handshake"
            )
        return answer

    def _proceed(self) -> bool:
        """
        Let OpenSSL process the bytes that it has.

        @return: whether its part of the handshake is done.
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
        Decide on the peer after OpenSSL's part is done.
        """
        chain = self._tls.get_peer_cert_chain() or ()
        # A server is not shown the peer's own certificate again.
        others = len(chain) - self._initiator
        self.secured = self.verdict.complete(1 + others)
        self.channel = TLSChannel(self._tls, client=self._initiator)
