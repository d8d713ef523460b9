# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.record}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.traced import traced
from tests.vectors import hexBytes, vector
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.address.record import MAX_ADDRESSES, MAX_ENVELOPE
from twisted_libp2p.errors import InvalidInput, InvalidRecord, InvalidSignature
from twisted_libp2p.identity import Envelope, Identity, PrivateKey

VECTOR = vector("envelope.peer_record")
SEALED = hexBytes(VECTOR, "envelope")
PAYLOAD = hexBytes(VECTOR, "payload")
SIGNER = Identity(PrivateKey.fromBytes(hexBytes(vector(VECTOR["signer"]), "private")))
RECORD = PeerRecord(
    SIGNER.peerID, VECTOR["seq"], tuple(map(Multiaddr, VECTOR["addresses"]))
)

STANDARD = ("libp2p-peer-record", b"\x03\x01")
LEGACY = ("libp2p-routing-state", b"/libp2p/routing-state-record")


class PeerRecordTests(SynchronousTestCase):
    """
    Addresses that a peer has certified.
    """

    def test_seal(self) -> None:
        """
        The envelope of the vectors is made again, byte by byte.
        """
        self.assertEqual(RECORD.seal(SIGNER), SEALED)

    def test_open(self) -> None:
        """
        The envelope of the vectors is read.
        """
        self.assertEqual(PeerRecord.open(SEALED), RECORD)

    def test_legacy(self) -> None:
        """
        The variant in the text of the specification is read as well.
        """
        sealed = Envelope.seal(SIGNER, *LEGACY, PAYLOAD).toBytes()
        self.assertEqual(PeerRecord.open(sealed), RECORD)

    def test_mixed(self) -> None:
        """
        The domain of one variant does not go with the type of the other.
        """
        for domain, payloadType in (
            (STANDARD[0], LEGACY[1]),
            (LEGACY[0], STANDARD[1]),
        ):
            sealed = Envelope.seal(SIGNER, domain, payloadType, PAYLOAD).toBytes()
            self.assertRaises(InvalidSignature, PeerRecord.open, sealed)

    def test_otherType(self) -> None:
        """
        An envelope of something else is refused.
        """
        sealed = Envelope.seal(SIGNER, STANDARD[0], b"\x03\x02", PAYLOAD).toBytes()
        self.assertRaises(InvalidRecord, PeerRecord.open, sealed)

    def test_otherPeer(self) -> None:
        """
        Nobody certifies the addresses of another peer.
        """
        other = Identity.generate()
        sealed = Envelope.seal(other, *STANDARD, PAYLOAD).toBytes()
        self.assertRaises(InvalidRecord, PeerRecord.open, sealed)
        self.assertRaises(InvalidRecord, RECORD.seal, other)

    def test_malformed(self) -> None:
        """
        A record that is signed and yet none is refused.
        """
        for payload in (b"", b"\xff", b"\x0a\x05abc", PAYLOAD[40:]):
            sealed = Envelope.seal(SIGNER, *STANDARD, payload).toBytes()
            self.assertRaises(InvalidRecord, PeerRecord.open, sealed)

    def test_unknownAddress(self) -> None:
        """
        An address of a protocol that we do not know is left out, the others
        stay.
        """
        payload = PAYLOAD + b"\x1a\x04\x0a\x02\xff\x01" + b"\x1a\x00"
        sealed = Envelope.seal(SIGNER, *STANDARD, payload).toBytes()
        self.assertEqual(PeerRecord.open(sealed), RECORD)

    def test_manyAddresses(self) -> None:
        """
        No more than 500 addresses of a record are read.
        """
        addresses = [Multiaddr(f"/tcp/{port}") for port in range(1, 1001)]
        sealed = PeerRecord(SIGNER.peerID, 1, tuple(addresses)).seal(SIGNER)
        record = PeerRecord.open(sealed)
        self.assertEqual(record.addresses, tuple(addresses[:MAX_ADDRESSES]))

    def test_tooLarge(self) -> None:
        """
        An envelope that is over the limit is refused before it is looked into.
        """
        addresses = [Multiaddr("/dns/" + "a" * 1000)] * 20
        sealed = PeerRecord(SIGNER.peerID, 1, tuple(addresses)).seal(SIGNER)
        self.assertGreater(len(sealed), MAX_ENVELOPE)
        self.assertRaises(InvalidRecord, PeerRecord.open, sealed)

    def test_remembered(self) -> None:
        """
        The envelopes that are remembered take at most 4 MiB, whatever is in
        them.
        """
        ports = [Multiaddr(f"/tcp/{port}") for port in range(1, 1001)]
        sealed = [
            PeerRecord(SIGNER.peerID, number, tuple(ports[:count])).seal(SIGNER)
            for count in (85, 450, 900)
            for number in range(70)
        ]
        with traced() as held:
            for each in sealed:
                PeerRecord.open(bytes(bytearray(each)))
            self.assertLess(held(), 4 * 1024 * 1024)

    def test_sequence(self) -> None:
        """
        The number has 64 bits.
        """
        for sequence in (0, (1 << 64) - 1):
            record = PeerRecord(SIGNER.peerID, sequence, ())
            self.assertEqual(PeerRecord.open(record.seal(SIGNER)), record)
        for sequence in (-1, 1 << 64):
            record = PeerRecord(SIGNER.peerID, sequence, ())
            self.assertRaises(InvalidRecord, record.seal, SIGNER)

    def test_truncated(self) -> None:
        """
        A record that is cut off anywhere is refused.
        """
        for size in range(len(SEALED)):
            with self.assertRaises((InvalidRecord, InvalidSignature)):
                PeerRecord.open(SEALED[:size])

    @drawn(100, st.binary(max_size=100))
    def test_garbage(self, payload: bytes) -> None:
        """
        Garbage, signed or not, raises nothing but the documented errors.
        """
        with self.assertRaises((InvalidRecord, InvalidSignature)):
            PeerRecord.open(payload)
        sealed = Envelope.seal(SIGNER, *STANDARD, PAYLOAD[:40] + payload).toBytes()
        try:
            PeerRecord.open(sealed)
        except InvalidInput as error:
            self.assertIsInstance(error, InvalidRecord)
