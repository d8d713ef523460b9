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

#: The most bytes of a peer's messages, all of its handshake together.  The longest
#: honest ones, with RSA keys of 8192 bits for the identity and the certificate, have
#: less than 8 KiB.
LONGEST_HANDSHAKE: Final = 16 * 1024


class TLSHandshake(HandshakeMachine):
    """
    One side of one handshake: a L{HandshakeMachine
    <twisted_libp2p.security.machine.HandshakeMachine>} whose messages are
    OpenSSL's.

    OpenSSL is given at most L{LONGEST_HANDSHAKE} bytes before the peer has proven
    who it is; and, on the side of the server, nothing before there is a whole
    L{ClientHello<Hello>}.  What follows the last message is not given back, but is
    the first that the channel opens.

    @ivar verdict: our part of it.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self, handshake: Handshake, now: Callable[[], float], contexts: Contexts
    ) -> None:
        """
        @param now: tells the seconds since 1970.
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
        The first message, if we are the client.
        """
        if not self._initiator:
            return b""
        self._tls = self._contexts.connect(self, True)
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
        # A read may bring what follows the handshake, too, of which there is more.
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
        self.channel = TLSChannel(self._tls, client=self._initiator)
