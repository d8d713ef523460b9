# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the handshake in channel 0.
"""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.webrtc.fake import FakeMachine
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import QuicEvent, Secured
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.webrtc.association import Association
from twisted_libp2p.webrtc.messages import encode
from twisted_libp2p.webrtc.native import RtcEvent
from twisted_libp2p.webrtc.proof import PROOF, RUST_WAIT
from twisted_libp2p.webrtc.streams import RtcStreams

#: A part of the certificate of rust-libp2p.
RUST = b"\x0c\x16rcgen self signed cert"

#: A channel of the peer.
ID = 2


class ThreeMessages:
    """
    A handshake of three messages, the first and the last of which are ours.
    """

    trailing = b""

    def __init__(self, proven: Secured) -> None:
        self.secured: Secured | None = None
        self._proven = proven

    def start(self) -> bytes:
        """
        Begin.
        """
        return b"first"

    def receive(self, data: bytes) -> bytes:
        """
        Take the message of the peer.
        """
        self.secured = self._proven
        return b"last"


class ProofTests(SynchronousTestCase):
    """
    A peer dials us, and proves who it is.
    """

    def begin(self, certificate: bytes) -> None:
        """
        Begin with a peer that has this certificate.
        """
        identity = Identity.generate()
        self.proven = Secured("/noise", identity.peerID, identity.publicKey)
        self.machine = FakeMachine()
        self.machine.theirs = certificate
        self.streams = RtcStreams(
            Association(self.machine, b"", "192.0.2.7", 5, 0.0),
            cast(NoiseHandshake, ThreeMessages(self.proven)),
            (),
        )

    def poll(self, now: float, *events: tuple[object, ...]) -> list[object]:
        """
        Let something happen.

        @return: the kinds of the events for the session.
        """
        self.machine.events += events
        _, found, self.due, _ = self.streams.poll(0, now)
        return [each[0] for each in found]

    def said(self) -> bytes:
        """
        Return what was sent since.
        """
        return b"".join(self.machine.written.pop(PROOF, []))

    def answer(self, now: float) -> list[object]:
        """
        Let the message of the peer come, and a channel with it.
        """
        self.machine.unread[PROOF] += encode(b"second")
        self.machine.unread[ID] += encode(b"bytes")
        return self.poll(
            now,
            (RtcEvent.READABLE, PROOF),
            (RtcEvent.OPENED, ID),
            (RtcEvent.READABLE, ID),
        )

    def test_atOnce(self) -> None:
        """
        Nothing waits for the clock.
        """
        self.begin(b"\x0c\x06WebRTC")
        self.assertEqual(self.said(), b"".join(encode(b"first")))
        self.assertEqual(
            self.answer(1.0),
            [QuicEvent.CONNECTED, QuicEvent.OPENED, QuicEvent.READABLE],
        )
        self.assertEqual(self.said(), b"".join(encode(b"last")))
        self.assertIs(self.streams.secured, self.proven)

    def test_rust(self) -> None:
        """
        Rust-libp2p gets time before the first message, and between the last message and
        the first stream.
        """
        self.begin(RUST)
        self.assertEqual(self.poll(1.0), [])
        self.assertEqual((self.said(), self.due), (b"", 1.0 + RUST_WAIT))
        self.assertEqual(self.poll(1.0 + RUST_WAIT), [])
        self.assertEqual(self.said(), b"".join(encode(b"first")))
        assert self.due is not None
        self.assertGreater(self.due, 1.0 + 2 * RUST_WAIT)
        self.assertEqual(self.answer(2.0), [])
        self.assertEqual(self.said(), b"".join(encode(b"last")))
        self.assertIsNone(self.streams.secured)
        self.poll(2.0)
        self.assertEqual(self.due, 2.0 + RUST_WAIT)
        self.assertEqual(
            self.poll(2.0 + RUST_WAIT),
            [QuicEvent.CONNECTED, QuicEvent.OPENED, QuicEvent.READABLE],
        )
        self.assertIs(self.streams.secured, self.proven)
        self.assertEqual(self.poll(4.0), [])
