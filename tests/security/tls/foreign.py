# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A TLS peer that is not ours: pyOpenSSL alone, with any certificate and none of
the manners.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.security.tls.forgery import Forged, forge

__all__ = ["Foreign", "makeContext"]


def makeContext(
    forged: Forged | None = None,
    *,
    chain: Sequence[x509.Certificate] = (),
    version: int = SSL.TLS1_3_VERSION,
    select: Callable[[Any, list[bytes]], bytes] = lambda connection, names: names[-1],
) -> SSL.Context:
    """
    Make a context that believes everything.

    @param forged: the certificate and its key; None has none.
    @param chain: more certificates.
    @param select: how a server selects the application protocol.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(version)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.set_alpn_select_callback(select)
    if forged is not None:
        certificate, private = forged
        context.use_certificate(certificate)
        with warnings.catch_warnings():
            # A key that does not belong to the certificate takes an old class.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.use_privatekey(private)
        for each in chain:
            context.add_extra_chain_cert(each)
    return context


class Foreign(Protocol):
    """
    The peer.

    @ivar tls: the connection of pyOpenSSL.
    @ivar received: what came after the handshake.
    @ivar error: what OpenSSL has complained of.
    @ivar finished: whether the handshake is done, as far as we can tell.
    @ivar closed: whether our side was told by C{close_notify} of the end.
    @ivar lost: why the transport is gone.
    """

    transport: Any

    def __init__(
        self,
        initiator: bool,
        context: SSL.Context | None = None,
        protocols: Sequence[bytes] = (b"libp2p",),
    ) -> None:
        """
        @param context: the settings; None has a lawful certificate.
        @param protocols: the application protocols that a client offers.
        """
        self.context = makeContext(forge()) if context is None else context
        self.tls = SSL.Connection(self.context, None)
        self.received = bytearray()
        self.error: SSL.Error | None = None
        self.finished = False
        self.closed = False
        self.lost: list[Failure] = []
        if initiator:
            self.tls.set_connect_state()
            if protocols:
                self.tls.set_alpn_protos(list(protocols))
        else:
            self.tls.set_accept_state()

    def connectionMade(self) -> None:
        """
        Begin.
        """
        self._work()

    def dataReceived(self, data: bytes) -> None:
        """
        Go on.
        """
        self.tls.bio_write(data)
        self._work()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.lost.append(reason)

    def say(self, data: bytes) -> None:
        """
        Send what our side is to receive.
        """
        self.tls.send(data)
        self._flush()

    def close(self) -> None:
        """
        Send C{close_notify}.
        """
        self.tls.shutdown()
        self._flush()

    def _work(self) -> None:
        try:
            if not self.finished:
                self.tls.do_handshake()
                self.finished = True
            while True:
                self.received += self.tls.recv(65536)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            self.error = error
        self._flush()

    def _flush(self) -> None:
        try:
            while True:
                self.transport.write(self.tls.bio_read(65536))
        except SSL.WantReadError:
            pass
