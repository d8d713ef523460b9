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
from twisted_libp2p.webrtc.proof import PROOF, RUST_STREAM_WAIT, RUST_WAIT
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

    def prove(self, now: float) -> list[object]:
        """
        Let the message of the peer come.
        """
        self.machine.unread[PROOF] += encode(b"second")
        return self.poll(now, (RtcEvent.READABLE, PROOF))

    def open(self, now: float) -> list[object]:
        """
        Let a channel of the peer come, with bytes in it.
        """
        self.machine.unread[ID] += encode(b"bytes")
        return self.poll(now, (RtcEvent.OPENED, ID), (RtcEvent.READABLE, ID))

    def test_atOnce(self) -> None:
        """
        Nothing waits for the clock.
        """
        self.begin(b"\x0c\x06WebRTC")
        self.assertEqual(self.said(), b"".join(encode(b"first")))
        self.assertEqual(self.prove(1.0), [QuicEvent.CONNECTED])
        self.assertEqual(self.said(), b"".join(encode(b"last")))
        self.assertIs(self.streams.secured, self.proven)
        self.assertEqual(self.open(1.0), [QuicEvent.OPENED, QuicEvent.READABLE])

    def beginRust(self) -> None:
        """
        Begin with rust-libp2p, and go on to our last message, at 2.0.
        """
        self.begin(RUST)
        self.poll(1.0)
        self.poll(1.0 + RUST_WAIT)
        self.assertEqual(self.said(), b"".join(encode(b"first")))
        self.assertEqual(self.prove(2.0), [])
        self.assertEqual(self.said(), b"".join(encode(b"last")))
        self.assertIsNone(self.streams.secured)

    def test_rust(self) -> None:
        """
        Rust-libp2p gets time before the first message, whatever it sends.
        """
        self.begin(RUST)
        self.assertEqual(self.open(1.0), [])
        self.poll(1.0)
        self.assertEqual((self.said(), self.due), (b"", 1.0 + RUST_WAIT))
        self.assertEqual(self.poll(1.0 + RUST_WAIT), [])
        self.assertEqual(self.said(), b"".join(encode(b"first")))
        self.assertNotEqual(self.due, 1.0 + RUST_WAIT)

    def test_rustOpens(self) -> None:
        """
        After the last message, it gets no streams of ours before it has opened a
        channel.
        """
        self.beginRust()
        # Rust closes channel 0 after the handshake.
        self.assertEqual(self.poll(2.0, (RtcEvent.CLOSED, PROOF)), [])
        self.assertEqual(self.open(2.1), [])
        self.assertEqual(self.due, 2.1)
        self.assertEqual(
            self.poll(2.1),
            [QuicEvent.CONNECTED, QuicEvent.OPENED, QuicEvent.READABLE],
        )
        self.assertIs(self.streams.secured, self.proven)
        self.assertEqual(self.poll(9.0), [])

    def test_rustSilent(self) -> None:
        """
        If it opens none, it gets them after a while.
        """
        self.beginRust()
        self.poll(2.0)
        self.assertEqual(self.due, 2.0 + RUST_STREAM_WAIT)
        self.assertEqual(self.poll(2.0 + RUST_STREAM_WAIT), [QuicEvent.CONNECTED])
        self.assertIs(self.streams.secured, self.proven)
        self.assertEqual(self.poll(9.0), [])
