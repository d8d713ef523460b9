# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of secrets: whatever holds one does not show it, in any text that may end
in a log or in a traceback; and the time that it takes to compare one tells nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from traceback import TracebackException

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import PeerStoreService
from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.engines import POSTGRESQL
from twisted_libp2p.peerstore.sql import Schema
from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.noise.channel import NoiseChannel
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.security.noise.xx import SymmetricState
from twisted_libp2p.security.secio.ephemeral import EphemeralKey
from twisted_libp2p.security.secio.frame import SecioChannel
from twisted_libp2p.security.secio.handshake import SecioHandshake
from twisted_libp2p.security.secio.stretch import Keys, stretch
from twisted_libp2p.security.secio.suite import (
    CIPHERS,
    EXCHANGES,
    HASHES,
    Offer,
    Suite,
)
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.tap import Options
from twisted_libp2p.transport.private import PrivateConnection, PrivateFactory
from twisted_libp2p.transport.private import PrivateNetwork as Network

PASSWORD = "correct horse"

IDENTITY = Identity.generate()
# Behind it comes the public key.
SECRET = IDENTITY.privateKey.toBytes()[4:36]

OFFER = Offer.ours(EXCHANGES, CIPHERS, HASHES)
SUITE = Suite("P-256", "AES-256", "SHA256")


def spellings(secret: bytes) -> Iterator[str]:
    """
    Give the ways in which bytes may be found in a text.
    """
    for part in (secret, secret[:16], secret[-16:]):
        yield part.hex()
        yield repr(part)[2:-1]
        yield repr(bytearray(part))[12:-2]
        yield str(list(part))[1:-1]
        yield str(int.from_bytes(part, "big"))
        yield str(int.from_bytes(part, "little"))


class SecretsTestCase(SynchronousTestCase):
    """
    Looks for secrets in texts.
    """

    def assertSecret(self, text: str, secrets: Iterable[bytes]) -> None:
        """
        None of these is told in a text.
        """
        for secret in secrets:
            for spelling in spellings(secret):
                self.assertNotIn(spelling, text)

    def assertHidden(self, thing: object, *secrets: bytes) -> None:
        """
        Neither is told by what shows a thing.
        """
        for text in (repr(thing), str(thing), f"{thing}", repr([thing])):
            self.assertSecret(text, secrets)


class ShowTests(SecretsTestCase):
    """
    What is shown of things that hold a secret.
    """

    def test_identity(self) -> None:
        """
        Of keys, and of whatever they are given to.
        """
        for type in KeyType:
            identity = Identity.generate(type)
            secret = identity.privateKey.toBytes()[4:36]
            handshake = Handshake(identity, Role.CLIENT, None, (), print)
            node = Node(Clock(), identity=identity)
            for thing in (identity, identity.privateKey, handshake, node):
                self.assertHidden(thing, secret)

    def test_noise(self) -> None:
        """
        Of Noise: keys, handshakes, channels.
        """
        private = X25519PrivateKey.generate()
        secret = private.private_bytes_raw()
        identity = Identity.generate()
        static = StaticKey.sign(identity, private)
        handshake = Handshake(identity, Role.CLIENT, None, (), print)
        machine = NoiseHandshake(handshake, static, private)
        state = SymmetricState(b"")
        state.mixKey(secret)
        keys = state.split()
        for thing in (static, machine, machine._xx, state, NoiseChannel(*keys)):
            self.assertHidden(thing, secret, *keys, state._chainingKey)

    def test_tls(self) -> None:
        """
        Of TLS: a certificate and its key.
        """
        certificate = HostCertificate.sign(Identity.generate(), 1e9)
        number = certificate.private.private_numbers().private_value
        self.assertHidden(certificate, number.to_bytes(32, "big"))

    def test_secio(self) -> None:
        """
        Of SECIO: keys, handshakes, channels.
        """
        ephemeral = EphemeralKey("P-256")
        number = ephemeral._private.private_numbers().private_value
        ours, theirs = stretch(b"secret" * 8, SUITE)
        channel = SecioChannel("SHA256", ours, theirs)
        handshake = Handshake(Identity.generate(), Role.CLIENT, None, (), print)
        machine = SecioHandshake(handshake, OFFER)
        for thing in (ephemeral, ours, theirs, channel, machine):
            self.assertHidden(thing, number.to_bytes(32, "big"), *ours, *theirs)

    def test_privateNetwork(self) -> None:
        """
        Of the key of a private network.
        """
        key = bytes(range(100, 132))
        network = Network(key)
        factory = PrivateFactory(network, None)  # type: ignore[arg-type]
        connection = PrivateConnection(factory, None)
        for thing in (network, factory, connection, network.fingerprint):
            self.assertHidden(thing, key)

    def test_password(self) -> None:
        """
        Of the password of a database.
        """
        backend = Backend(
            label="postgresql:peers",
            schema=Schema(POSTGRESQL),
            module="sqlite3",
            arguments=(),
            keywords={"password": PASSWORD},
            settings=(),
        )
        options = Options()
        options.parseOptions(["--peerstore", f"postgresql://u:{PASSWORD}@h/d"])
        store = PeerStoreService(Clock(), backend)
        for thing in (backend, options, store):
            for text in (repr(thing), str(thing)):
                self.assertNotIn(PASSWORD, text)


class LogTests(SecretsTestCase):
    """
    What is told of a handshake that fails.
    """

    def tells(self, make: Callable[[Handshake], HandshakeMachine], bad: bytes) -> str:
        """
        Let a handshake fail by the peer's fault.

        @param make: makes the machine of our side.
        @param bad: what the peer says.
        @return: all that is told of it, and could be.
        """
        failures: list[Failure] = []
        handshake = Handshake(IDENTITY, Role.SERVER, None, (), failures.append)
        factory = SecureFactory(
            handshake,
            None,  # type: ignore[arg-type]
            lambda: make(handshake),
            Clock(),
        )
        transport = factory.buildProtocol(None)
        wire = StringTransport()
        with capturedLogs() as logs:
            transport.makeConnection(wire)
            transport.dataReceived(bad)
        self.assertTrue(wire.disconnected)
        (failure,) = failures
        assert failure.value is not None
        told = [f"{formatEvent(event)} {event}" for event in logs]
        told += [failure.getTraceback(detail="verbose"), repr(failure)]
        # As those reporters of errors tell it that show the variables, too.
        told += TracebackException.from_exception(
            failure.value, capture_locals=True
        ).format()
        return "\n".join(told)

    def test_noise(self) -> None:
        """
        Noise: of a message that is too short, is of low order, or was sealed by
        another key.
        """
        private = X25519PrivateKey.generate()
        static = StaticKey.sign(IDENTITY, private)
        first = b"\x00\x20" + b"\x09" * 32
        machines: list[NoiseHandshake] = []

        def make(handshake: Handshake) -> NoiseHandshake:
            machines.append(NoiseHandshake(handshake, static, private))
            return machines[-1]

        for bad in (
            b"\x00\x01x",
            b"\x00\x20" + bytes(32),
            first + b"\x00\x60" + b"x" * 96,
        ):
            told = self.tells(make, bad)
            self.assertIn("HandshakeFailed", told)
            chain = machines[-1]._xx.symmetric._chainingKey
            self.assertSecret(told, [private.private_bytes_raw(), SECRET, chain])

    def test_secio(self) -> None:
        """
        SECIO: of a proposal that is none.
        """
        for bad in (b"\x00\x00\x00\x01x", b"\xff\xff\xff\xff"):
            told = self.tells(lambda handshake: SecioHandshake(handshake, OFFER), bad)
            self.assertIn("HandshakeFailed", told)
            self.assertSecret(told, [SECRET])

    def test_breakdown(self) -> None:
        """
        A handshake that breaks down by our own fault is logged as that.
        """

        def make(handshake: Handshake) -> HandshakeMachine:
            machine = SecioHandshake(handshake, OFFER)
            self.patch(machine, "_handshake", None)
            return machine

        told = self.tells(make, _proposal())
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.assertIn("A handshake broke down", told)
        self.assertSecret(told, [SECRET])


def _proposal() -> bytes:
    handshake = Handshake(Identity.generate(), Role.CLIENT, None, (), print)
    return SecioHandshake(handshake, OFFER).start()


class TimingTests(SynchronousTestCase):
    """
    How long a comparison takes tells nothing.  What is compared here is SECIO's: the
    ciphers of Noise and TLS, in OpenSSL, compare their own.
    """

    def test_secio(self) -> None:
        """
        A MAC is compared as a whole, wherever it is wrong.
        """
        keys = Keys(iv=bytes(16), key=bytes(16), mac=bytes(20))
        packet = b"".join(SecioChannel("SHA256", keys, keys).seal([b"said"]))
        compared: list[int] = []

        def compare(one: bytes, other: bytes) -> bool:
            compared.append(len(other))
            return original(one, other)

        original = hmac.compare_digest
        self.patch(hmac, "compare_digest", compare)
        for place in (-32, -16, -1):
            wrong = bytearray(packet)
            wrong[place] ^= 1
            with self.assertRaises(ProtocolViolation):
                SecioChannel("SHA256", keys, keys).open(bytes(wrong), [])
        self.assertEqual(compared, [32, 32, 32])
