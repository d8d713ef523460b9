# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The self-test of a backend before its first use: no socket, no reactor, and some 40 ms.

A backend that lets a stranger in would do so silently.  So two endpoints in memory
check that it connects good peers and refuses bad ones; any deviation fails closed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from twisted_libp2p.errors import ConfigurationError, HandshakeFailed
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import (
    IQuicBackend,
    IQuicEndpoint,
    QuicEvent,
    QuicSettings,
    ReceivedDatagram,
)
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.security.tls.certificate import HostCertificate

__all__ = ["settingsOf", "test"]

_ROUNDS = 60
_HOSTS = ("192.0.2.1", "192.0.2.2")
_PORT = 4001

Judge = Callable[[bytes, bytes | None], bytes]


def settingsOf(
    identity: Identity,
    judge: Judge,
    keys: tuple[bytes, bytes],
    now: float,
) -> QuicSettings:
    """
    Make the settings of an endpoint of libp2p.

    @param keys: the keys of tokens and of stateless resets.
    @param now: seconds since 1970.
    """
    host = HostCertificate.sign(identity, now)
    return QuicSettings(
        certificate=host.certificate.public_bytes(Encoding.DER),
        privateKey=host.private.private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
        judge=judge,
        tokenKey=keys[0],
        resetKey=keys[1],
    )


class _End:
    """
    One endpoint of the test.
    """

    def __init__(self, backend: IQuicBackend, refuses: bool = False) -> None:
        self.identity = Identity.generate()
        self.asked = 0
        self._refuses = refuses
        self._judge = CertificateJudge(time.time)
        keys = (os.urandom(32), os.urandom(32))
        self.endpoint: IQuicEndpoint = backend.endpoint(
            settingsOf(self.identity, self.judge, keys, time.time())
        )
        self.handle: int | None = None
        self.over = False
        self.events: set[object] = set()

    def judge(self, data: bytes, expected: bytes | None) -> bytes:
        """
        Judge, and count.
        """
        self.asked += 1
        if self._refuses:
            raise HandshakeFailed("self-test", "refused")
        return self._judge(data, expected)

    def peer(self) -> PeerID | None:
        """
        Return the peer of the connection.
        """
        if self.handle is None:
            return None
        certificate = self.endpoint.certificate(self.handle)
        if certificate is None:
            return None
        return PeerID.fromKey(self._judge.key(certificate))

    def turn(self, now: float) -> list[ReceivedDatagram]:
        """
        Poll, and return the datagrams for the other end.
        """
        if self.handle is None or self.over:
            return []
        sent, events, _, self.over = self.endpoint.poll(self.handle, now)
        self.events |= {each[0] for each in events}
        return [ReceivedDatagram(each[0], "", 0, each[3], each[4]) for each in sent]

    def take(self, now: float, datagrams: list[ReceivedDatagram], host: str) -> None:
        """
        Take the datagrams of the other end.
        """
        received = [each._replace(host=host, port=_PORT) for each in datagrams]
        if received:
            _, knocks, _ = self.endpoint.receive(now, received)
            for knock in knocks:
                self.handle, _ = self.endpoint.accept(now, knock[0])


def _run(dialer: _End, listener: _End, expected: PeerID | None) -> None:
    """
    Dial, and carry the datagrams of the handshake.
    """
    data = None if expected is None else expected.toBytes()
    now = 1.0
    dialer.handle = dialer.endpoint.connect(now, _HOSTS[1], _PORT, data, "libp2p")
    for _ in range(_ROUNDS):
        now += 0.001
        listener.take(now, dialer.turn(now), _HOSTS[0])
        dialer.take(now, listener.turn(now), _HOSTS[1])


def _good(backend: IQuicBackend) -> bool:
    dialer, listener = _End(backend), _End(backend)
    _run(dialer, listener, listener.identity.peerID)
    return (
        {QuicEvent.CONNECTED, QuicEvent.CONFIRMED} <= dialer.events
        and QuicEvent.CONNECTED in listener.events
        and dialer.peer() == listener.identity.peerID
        and listener.peer() == dialer.identity.peerID
        and dialer.asked > 0
        and listener.asked > 0
    )


def _refusal(backend: IQuicBackend) -> bool:
    dialer, listener = _End(backend), _End(backend, refuses=True)
    _run(dialer, listener, None)
    return (
        QuicEvent.CONNECTED not in listener.events
        and QuicEvent.LOST in listener.events
        and QuicEvent.CONFIRMED not in dialer.events
    )


def _mismatch(backend: IQuicBackend) -> bool:
    dialer, listener = _End(backend), _End(backend)
    _run(dialer, listener, dialer.identity.peerID)
    return QuicEvent.CONNECTED not in dialer.events and QuicEvent.LOST in dialer.events


_STEPS = (
    ("two peers connect", _good),
    ("a listener refuses a certificate", _refusal),
    ("a dialer refuses another peer", _mismatch),
)


def test(backend: IQuicBackend) -> None:
    """
    Test a backend.

    @raise ConfigurationError: it does not do what it must; the text names the step.
    """
    for name, step in _STEPS:
        try:
            passed = step(backend)
        except Exception as error:
            passed, detail = False, f": {type(error).__name__}: {error}"
        else:
            detail = ""
        if not passed:
            raise ConfigurationError(
                f"QUIC is not used: the backend {backend.name} {backend.version}"
                f" fails the self-test {name!r}{detail}"
            )
