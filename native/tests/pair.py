# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two endpoints that are joined in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from twisted_libp2p_native import Endpoint

CONNECTED, CONFIRMED, LOST, OPENED, READABLE, WRITABLE, STOPPED = range(1, 8)

HOSTS = ("192.0.2.1", "192.0.2.2")


class Sent(NamedTuple):
    """
    Datagrams to send.
    """

    data: bytes
    host: str
    port: int
    segment: int
    ecn: int


class Knock(NamedTuple):
    """
    A peer that wants to connect.
    """

    number: int
    host: str
    port: int
    validated: bool
    retryable: bool


class Stats(NamedTuple):
    """
    Facts of a connection.
    """

    roundTrip: float
    mtu: int
    window: int
    lost: int
    sent: int
    received: int


class Cause(IntEnum):
    """
    The cause of the end of a connection.
    """

    APPLICATION = 1
    TRANSPORT = 2
    LOCAL = 3
    TIMEOUT = 4
    RESET = 5
    VERSION = 6


def keyOf(certificate: bytes, expected: bytes | None) -> bytes:
    """
    Accept every certificate that can be read.
    """
    public = x509.load_der_x509_certificate(certificate).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class Settings:
    """
    The settings of an endpoint.
    """

    certificate: bytes
    privateKey: bytes
    judge: Callable[[bytes, bytes | None], bytes] = keyOf
    tokenKey: bytes = bytes(32)
    resetKey: bytes = bytes(32)
    alpn: tuple[bytes, ...] = (b"libp2p",)
    idleTimeout: float = 30.0
    keepAlive: float = 15.0
    maxStreams: int = 256
    streamWindow: int = 1024 * 1024
    connectionWindow: int = 16 * 1024 * 1024
    sendWindow: int = 4 * 1024 * 1024
    cryptoBuffer: int = 16 * 1024
    maxIncoming: int = 1024
    maxDatagram: int = 1452
    maxSegments: int = 44
    tickets: int = 0


def settings(**options: Any) -> Settings:
    """
    Make settings with a new key.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(name)
        .issuer_name(name)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .public_key(private.public_key())
        .sign(private, SHA256())
    )
    key = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = Settings(certificate.public_bytes(Encoding.DER), key)
    return replace(made, **options)


def endpoint(**options: Any) -> Endpoint:
    """
    Make an endpoint.
    """
    return Endpoint(settings(**options), Sent, Knock, Stats, Cause)


class Pair:
    """
    A dialer, a listener, and the connection between them.

    @ivar events: the events of both so far.
    @ivar over: whether the connections of both are over.
    """

    def __init__(
        self, dialer: Endpoint, listener: Endpoint, hosts: Any = HOSTS
    ) -> None:
        self.ends = (dialer, listener)
        self.hosts = hosts
        self.now = 100.0
        self.handles: list[int | None] = [
            dialer.connect(100.0, hosts[1], 4, None, "l"),
            None,
        ]
        self.events: tuple[list[Any], list[Any]] = ([], [])
        self.over = [False, False]
        self.due: list[float | None] = [None, None]
        self.run()

    def handle(self, side: int) -> int:
        """
        The handle of a side.
        """
        handle = self.handles[side]
        assert handle is not None
        return handle

    def kinds(self, side: int) -> list[int]:
        """
        The kinds of all events of a side so far.
        """
        return [event[0] for event in self.events[side]]

    def run(self) -> None:
        """
        Carry datagrams until nothing moves.
        """
        for _ in range(1000):
            self.now += 1e-6
            if not (self._turn(0) | self._turn(1)):
                return

    def _turn(self, side: int) -> bool:
        handle = self.handles[side]
        if handle is None or self.over[side]:
            return False
        sent, events, self.due[side], self.over[side] = self.ends[side].poll(
            handle, self.now
        )
        self.events[side].extend(events)
        arrived = [(each.data, self.hosts[side], 3 + side, *each[3:]) for each in sent]
        other = self.ends[1 - side]
        _, knocks, _ = other.receive(self.now, arrived)
        for knock in knocks:
            self.handles[1 - side], _ = other.accept(self.now, knock.number)
        return bool(sent or events)
