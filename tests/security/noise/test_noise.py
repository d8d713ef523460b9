# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.noise}.
"""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity, PrivateKey
from twisted_libp2p.interfaces import Handshake, ISecurity, Role
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.testing.security import SecurityConformance


class NoiseConformanceTests(SecurityConformance, SynchronousTestCase):
    """
    Noise is a security protocol.
    """

    earlyMuxers = True

    def security(self) -> ISecurity:
        """
        Noise.
        """
        return Noise(self.clock)


class NoiseTests(SynchronousTestCase):
    """
    Tests for L{Noise}.
    """

    def test_oneSignature(self) -> None:
        """
        An identity signs once, however many connections it has.
        """
        signed: list[bytes] = []
        sign = PrivateKey.sign

        def counted(key: PrivateKey, data: bytes) -> bytes:
            signed.append(data)
            return sign(key, data)

        self.patch(PrivateKey, "sign", counted)
        noise = Noise(Clock())
        identities = [Identity.generate(), Identity.generate()]
        for number, identity in enumerate(identities, 1):
            for initiator in (True, False, True):
                handshake = Handshake(
                    identity,
                    Role.CLIENT if initiator else Role.SERVER,
                    None,
                    (),
                    self.fail,
                )
                noise.wrap(handshake, Factory.forProtocol(Protocol))
            self.assertEqual(len(signed), number)
        self.assertNotEqual(*signed)

    def test_oneSegment(self) -> None:
        """
        What the initiator's application says at once leaves in one write with
        the last message of the handshake.
        """

        class Eager(Protocol):
            """
            Says something at once.
            """

            def connectionMade(self) -> None:
                """
                Say it.
                """
                assert self.transport is not None
                self.transport.write(b"hello")

        class Counting(StringTransport):
            """
            Counts its writes.
            """

            writes = 0

            def write(self, data: bytes) -> None:
                """
                Take one write.
                """
                self.writes += 1
                super().write(data)

            def writeSequence(self, data: list[bytes]) -> None:
                """
                Take one write, in pieces.
                """
                self.writes += 1
                super().writeSequence(data)

        noise = Noise(Clock())
        ends = [Counting(), Counting()]
        protocols = []
        for initiator, end in zip((True, False), ends, strict=True):
            handshake = Handshake(
                Identity.generate(),
                Role.CLIENT if initiator else Role.SERVER,
                None,
                (),
                self.fail,
            )
            factory = noise.wrap(handshake, Factory.forProtocol(Eager))
            protocol = factory.buildProtocol(None)
            protocol.makeConnection(end)
            protocols.append(protocol)
        sizes = []
        for sender in (0, 1, 0):
            data = ends[sender].value()
            ends[sender].clear()
            sizes.append(len(data))
            protocols[1 - sender].dataReceived(data)
        # Each flight is one write; without muxers the payload is 104 bytes.
        self.assertEqual(ends[0].writes, 2)
        self.assertEqual(sizes, [34, 2 + 96 + 104, 2 + 64 + 104 + 2 + 5 + 16])
