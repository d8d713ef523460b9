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
from enum import Enum
from typing import ClassVar, Final

from OpenSSL import SSL

from twisted_libp2p.errors import HandshakeFailed, TwoInitiators
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.steps import Effects, SteppedHandshake
from twisted_libp2p.security.tls.channel import TLSChannel, explain, said
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.hello import Hello
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID, Verdict

__all__ = ["LONGEST_HANDSHAKE", "TLS", "TLSHandshake", "TLSState"]

#: Maximum number of bytes of a peer's whole handshake.  The longest honest one, with
#: RSA keys of 8192 bits for the identity and the certificate, has less than 8 KiB.
LONGEST_HANDSHAKE: Final = 16 * 1024


#: The type of a record of a handshake, and that of the first message of a client, which
#: is the sixth byte.
_HELLO: Final = b"\x16\x01"
_RECOGNIZED: Final = 6


class TLSState(Enum):
    """
    The state of one side of a handshake.
    """

    NEW = "new"
    #: The server has given nothing to OpenSSL.
    AWAITS_HELLO = "first message"
    #: OpenSSL negotiates.
    NEGOTIATING = "handshake"
    SECURED = "secured"
    FAILED = "failed"


#: The next state, and the effect of the transition, for each state and event.
TLS: Final[dict[tuple[TLSState, str], tuple[TLSState, str | None]]] = {
    (TLSState.NEW, "connect"): (TLSState.NEGOTIATING, "greet"),
    (TLSState.NEW, "listen"): (TLSState.AWAITS_HELLO, None),
    (TLSState.AWAITS_HELLO, "first message"): (TLSState.NEGOTIATING, "accept"),
    (TLSState.NEGOTIATING, "handshake"): (TLSState.SECURED, "decide on the peer"),
    (TLSState.AWAITS_HELLO, "failure"): (TLSState.FAILED, None),
    (TLSState.NEGOTIATING, "failure"): (TLSState.FAILED, None),
}


class TLSHandshake(SteppedHandshake):
    """
    One side of one handshake, whose messages are OpenSSL's.

    OpenSSL is given at most L{LONGEST_HANDSHAKE} bytes before the peer is
    authenticated; and, on the side of the server, nothing before a whole
    L{ClientHello<Hello>} has arrived.  Bytes after the last message are not given back:
    the channel opens them first.

    @ivar verdict: our decisions on the peer.
    """

    protocolID = PROTOCOL_ID
    table = TLS
    state = TLSState.NEW

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
        self._hello = Hello()
        # The first bytes of a server.
        self._head: bytes | None = b"" if self._initiator else None
        self._received = 0
        self._tls: SSL.Connection

    def start(self) -> bytes:
        """
        Return the first message, if we are the client.
        """
        return self.happened("connect" if self._initiator else "listen")

    def _greet(self, _: bytes) -> bytes:
        self._accept(b"")
        self._proceed()
        return said(self._tls)

    def _accept(self, _: bytes) -> bytes:
        self._tls = self._contexts.connect(self, self._initiator)
        return b""

    def _receive(self, data: bytes) -> bytes:
        if self.state is TLSState.AWAITS_HELLO:
            hello = self._hello.feed(data)
            if hello is None:
                return b""
            data = hello
            self.happened("first message", hello)
        elif self._head is not None:
            # However the bytes are cut: OpenSSL gets none before they are judged.
            self._head += data
            if len(self._head) < _RECOGNIZED:
                return b""
            data, self._head = self._head, None
            if data[:1] + data[5:6] == _HELLO:
                raise TwoInitiators(PROTOCOL_ID)
        # A read may also bring data after the handshake, which is not limited.
        room = LONGEST_HANDSHAKE - self._received
        self._received += len(data)
        if data:
            self._tls.bio_write(data[:room])
        done = self._proceed()
        answer = said(self._tls)
        if done:
            self.happened("handshake")
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

    def _decide(self, _: bytes) -> bytes:
        """
        Decide on the peer after OpenSSL's part is done.
        """
        chain = self._tls.get_peer_cert_chain() or ()
        # A server is not shown the peer's own certificate again.
        others = len(chain) - self._initiator
        self.secured = self.verdict.complete(1 + others)
        self.channel = TLSChannel(self._tls, client=self._initiator)
        return b""

    effects: ClassVar[Effects] = {
        "greet": _greet,
        "accept": _accept,
        "decide on the peer": _decide,
    }
