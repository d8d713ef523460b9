# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the protobuf messages of L{twisted_libp2p.wire}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import hexBytes, vector
from twisted_libp2p.wire import delimit
from twisted_libp2p.wire.envelope_pb2 import Envelope
from twisted_libp2p.wire.identify_pb2 import Identify
from twisted_libp2p.wire.keys_pb2 import PublicKey
from twisted_libp2p.wire.noise_pb2 import NoiseExtensions, NoiseHandshakePayload
from twisted_libp2p.wire.plaintext_pb2 import Exchange
from twisted_libp2p.wire.record_pb2 import PeerRecord
from twisted_libp2p.wire.secio_pb2 import Exchange as SecioExchange
from twisted_libp2p.wire.secio_pb2 import Propose

KEY = hexBytes(vector("key.test_identity_01"), "public")
PEER = hexBytes(vector("key.test_identity_01"), "multihash")


class MessageTests(SynchronousTestCase):
    """
    The fields have the numbers and types of the specifications.
    """

    def test_publicKey(self) -> None:
        """
        An RSA key writes its type although that is 0.
        """
        message = PublicKey.FromString(hexBytes(vector("key.rsa4096"), "public"))
        self.assertEqual((message.Type, len(message.Data)), (0, 550))
        self.assertEqual(message.SerializeToString()[:2], b"\x08\x00")

    def test_envelope(self) -> None:
        """
        The envelope of the vectors is made of its parts.
        """
        entry = vector("envelope.peer_record")
        message = Envelope(
            public_key=KEY,
            payload_type=hexBytes(entry, "payload_type"),
            payload=hexBytes(entry, "payload"),
            signature=hexBytes(entry, "signature"),
        )
        self.assertEqual(message.SerializeToString(), hexBytes(entry, "envelope"))

    def test_record(self) -> None:
        """
        The record of the vectors is made of its parts.
        """
        address = hexBytes(vector("multiaddr.ip4_tcp"), "bytes")
        message = PeerRecord(peer_id=PEER, seq=1)
        message.addresses.add(multiaddr=address)
        self.assertEqual(
            message.SerializeToString(),
            hexBytes(vector("envelope.peer_record"), "payload"),
        )

    def test_plaintext(self) -> None:
        """
        The exchange of the vectors is made of its parts.
        """
        self.assertEqual(
            delimit(Exchange(id=PEER, pubkey=KEY).SerializeToString()),
            hexBytes(vector("plaintext.exchange"), "wire"),
        )

    def test_noise(self) -> None:
        """
        The payload of the Noise vector names its muxer, in the field 4 that
        replaced 3.
        """
        extensions = NoiseExtensions(stream_muxers=["/yamux/1.0.0"])
        message = NoiseHandshakePayload(
            identity_key=b"k", identity_sig=b"s", extensions=extensions
        )
        self.assertEqual(
            message.SerializeToString(),
            b"\x0a\x01k\x12\x01s\x22\x0e\x12\x0c/yamux/1.0.0",
        )

    def test_secio(self) -> None:
        """
        The messages of SECIO have their fields in the order of the
        specification.
        """
        propose = Propose(
            rand=b"r", pubkey=b"p", exchanges="e", ciphers="c", hashes="h"
        )
        self.assertEqual(
            propose.SerializeToString(),
            b"\x0a\x01r\x12\x01p\x1a\x01e\x22\x01c\x2a\x01h",
        )
        exchange = SecioExchange(epubkey=b"e", signature=b"s")
        self.assertEqual(exchange.SerializeToString(), b"\x0a\x01e\x12\x01s")

    def test_identify(self) -> None:
        """
        Identify has a gap at 7, and tells what is missing from what is empty.
        """
        message = Identify(
            publicKey=b"k",
            listenAddrs=[b"l"],
            protocols=["p"],
            observedAddr=b"o",
            protocolVersion="v",
            agentVersion="a",
            signedPeerRecord=b"r",
        )
        self.assertEqual(
            message.SerializeToString(),
            b"\x0a\x01k\x12\x01l\x1a\x01p\x22\x01o\x2a\x01v\x32\x01a\x42\x01r",
        )
        self.assertFalse(Identify().HasField("observedAddr"))
        self.assertTrue(Identify.FromString(b"\x22\x00").HasField("observedAddr"))
