# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the channels of one connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.webrtc.fake import FakeMachine
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, LossCause, QuicEvent, Role, Secured
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.webrtc.association import Association
from twisted_libp2p.webrtc.channel import BUFFER
from twisted_libp2p.webrtc.closings import CLOSE_WAIT
from twisted_libp2p.webrtc.crowd import MAX_ORPHANED
from twisted_libp2p.webrtc.messages import PIECE, Flag, encode
from twisted_libp2p.webrtc.native import RtcEvent
from twisted_libp2p.webrtc.streams import MAX_WAITING, RtcStreams

#: A channel of the peer.
ID = 2


class OneMessage:
    """
    A handshake that one message of the peer completes.
    """

    trailing = b""

    def __init__(self, secured: Secured) -> None:
        self.secured: Secured | None = None
        self._proven = secured

    def start(self) -> bytes:
        """
        Send nothing.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Take the message.
        """
        self.secured = self._proven
        return b""


class StreamTests(SynchronousTestCase):
    """
    Channels are opened and closed by the peer.
    """

    def setUp(self) -> None:
        identity = Identity.generate()
        self.machine = FakeMachine()
        handshake = Handshake(identity, Role.SERVER, None, (), lambda reason: None)
        self.streams = RtcStreams(
            Association(self.machine, b"", "192.0.2.7", 5, 0.0),
            NoiseHandshake(handshake, StaticKey.sign(identity)),
            (),
        )
        self.streams.secured = Secured("/noise", identity.peerID, identity.publicKey)

    def happen(self, now: float, *events: tuple[object, ...]) -> list[object]:
        """
        Let something happen.

        @return: the kinds and numbers of the events for the session.
        """
        self.machine.events += events
        _, found, _, _ = self.streams.poll(0, now)
        return [each[:2] for each in found]

    def test_numberAgain(self) -> None:
        """
        A peer may use the number of a closed channel again while the bytes of that
        are not read: the end of the first stream closes nothing of the second.
        """
        self.happen(1.0, (RtcEvent.OPENED, ID))
        self.machine.unread[ID] += encode(b"unread", Flag.FIN)
        self.happen(1.0, (RtcEvent.READABLE, ID), (RtcEvent.CLOSED, ID))
        self.assertEqual(
            self.happen(2.0, (RtcEvent.OPENED, ID)), [(QuicEvent.OPENED, 2)]
        )
        self.streams.reset(0, 1, 0)
        self.streams.stop(0, 1, 0)
        self.assertEqual(self.happen(3.0 + CLOSE_WAIT), [])
        self.assertEqual(self.machine.shutChannels, [])
        self.machine.unread[ID] += encode(b"second")
        self.happen(20.0, (RtcEvent.READABLE, ID))
        self.assertEqual(self.streams.read(0, 2, 9), (b"second", None))

    def come(self, channel: int, *messages: bytes) -> list[object]:
        """
        Let messages come.
        """
        self.machine.unread[channel] += messages
        return self.happen(1.0, *[(RtcEvent.READABLE, channel)] * len(messages))

    def fill(self) -> None:
        """
        Fill the buffer of the first channel.
        """
        full = b"".join(encode(bytes(PIECE)))
        self.machine.unread[ID] += [full] * (BUFFER // PIECE + 1)
        self.happen(1.0, (RtcEvent.READABLE, ID))

    def test_waiting(self) -> None:
        """
        A stream without room is reset when too many messages wait for it, and these
        are dropped; the others of the connection go on.
        """
        self.happen(1.0, (RtcEvent.OPENED, ID), (RtcEvent.OPENED, 4))
        self.fill()
        self.assertEqual(self.come(ID, *[b"\0"] * MAX_WAITING), [])
        self.assertEqual(self.come(ID, b"\0"), [(QuicEvent.RESET, 1)])
        self.assertEqual(self.machine.unread[ID], [])
        for _ in range(MAX_WAITING + 1):
            self.come(4, *encode(b"x"))
        size = MAX_WAITING + 1
        self.assertEqual(self.streams.read(0, 2, BUFFER), (b"x" * size, None))

    def test_waitingRead(self) -> None:
        """
        Messages that have been read wait no longer, however many they are.
        """
        self.happen(1.0, (RtcEvent.OPENED, ID))
        for _ in range(3):
            self.fill()
            self.assertEqual(self.come(ID, *[b"\0"] * MAX_WAITING), [])
            self.streams.read(0, 1, 2 * BUFFER)
        self.happen(1.0, (RtcEvent.CLOSED, ID))
        self.assertEqual(self.streams._waiting, 0)

    def test_crowd(self) -> None:
        """
        Streams that wait for room among all may write again in their order; those that
        are closed, or do not wait, are not asked.
        """
        channels = (2, 4, 6, 8)
        for each in channels:
            self.happen(1.0, (RtcEvent.OPENED, each))
        self.machine.crowded = True
        for number in (3, 1, 2):
            self.assertEqual(self.streams.write(0, number, [b"data"]), 0)
        self.happen(1.0, (RtcEvent.CLOSED, 2))
        self.machine.crowded = False
        self.assertEqual(
            self.happen(2.0, (RtcEvent.DRAINED,)),
            [(QuicEvent.WRITABLE, 3), (QuicEvent.WRITABLE, 2)],
        )
        self.assertEqual(self.streams.write(0, 3, [b"data"]), 4)
        self.assertEqual(self.happen(3.0, (RtcEvent.DRAINED,)), [])

    def closeEarly(self, numbers: Iterable[int]) -> None:
        """
        Let the peer open channels, and close them before it takes what we send.
        """
        for number in numbers:
            self.happen(1.0, (RtcEvent.OPENED, 2 * number))
            self.assertEqual(self.streams.write(0, number, [b"data"]), 4)
            self.happen(1.0, (RtcEvent.CLOSED, 2 * number))

    def test_orphaned(self) -> None:
        """
        Streams wait while too many bytes wait in channels that the peer has closed,
        until it has acknowledged those of one.
        """
        self.machine.waiting = 250_000
        last = MAX_ORPHANED // 250_000 + 1
        self.closeEarly(range(1, last + 1))
        self.machine.waiting = 0
        self.happen(1.0, (RtcEvent.OPENED, ID))
        self.assertEqual(self.streams.write(0, last + 1, [b"data"]), 0)
        self.assertEqual(
            self.happen(2.0, (RtcEvent.FREED, 2)), [(QuicEvent.WRITABLE, last + 1)]
        )
        self.assertEqual(self.streams.write(0, last + 1, [b"data"]), 4)
        self.assertEqual(self.happen(2.0, (RtcEvent.FREED, 4)), [])

    def test_notOrphaned(self) -> None:
        """
        Bytes that the peer has acknowledged do not wait.
        """
        self.machine.waiting = 250_000
        for number in range(1, 20):
            self.happen(1.0, (RtcEvent.OPENED, ID))
            self.streams.write(0, number, [b"data"])
            self.streams.finish(0, number)
            self.machine.unread[ID] += encode(flag=Flag.FIN_ACK)
            self.happen(1.0, (RtcEvent.READABLE, ID))
            self.happen(1.0, (RtcEvent.CLOSED, ID))
        self.assertFalse(self.streams._crowd.full)

    def test_resetUnderWay(self) -> None:
        """
        The channel of a stream that was reset is not closed by our side while bytes of
        it wait: they count as long as it is open.
        """
        self.happen(1.0, (RtcEvent.OPENED, ID))
        self.streams.reset(0, 1, 0)
        self.streams.stop(0, 1, 0)
        self.machine.waiting = 1
        self.happen(1.0 + CLOSE_WAIT)
        self.assertEqual(self.machine.shutChannels, [])
        self.machine.waiting = 0
        self.happen(1.0 + 2 * CLOSE_WAIT)
        self.assertEqual(self.machine.shutChannels, [ID])

    def test_waitingUnproven(self) -> None:
        """
        A peer that has not proven who it is loses its connection by as many messages.
        """
        self.streams.secured = None
        self.happen(1.0, (RtcEvent.OPENED, ID))
        self.assertEqual(self.come(ID, *[b"\0"] * MAX_WAITING), [])
        self.assertEqual(self.come(ID, b"\0"), [(QuicEvent.LOST, LossCause.TRANSPORT)])
        self.assertTrue(self.machine.over)

    def said(self, channel: int) -> list[bytes]:
        """
        Return what was sent on a channel since.
        """
        return self.machine.written.pop(channel, [])

    def test_acknowledging(self) -> None:
        """
        The ends of the peer's halves are acknowledged as soon as it has acknowledged
        one of ours: those before, and then each at once.
        """
        fin, finAck = encode(flag=Flag.FIN), list(encode(flag=Flag.FIN_ACK))
        channels = (2, 4, 6)
        self.happen(1.0, *[(RtcEvent.OPENED, each) for each in channels])
        self.come(2, *fin)
        self.assertEqual(self.said(2), [])
        self.streams.finish(0, 2)
        self.come(4, *finAck)
        self.assertEqual(self.said(2), finAck)
        self.come(6, *fin)
        self.assertEqual(self.said(6), finAck)

    def test_unacknowledged(self) -> None:
        """
        A channel whose halves have ended is closed after a while if the peer does not
        acknowledge the end of ours, but not before our last bytes have arrived.
        """
        number = self.streams.open(0)
        assert number is not None
        (channel,) = self.streams._byID
        self.streams.finish(0, number)
        self.come(channel, *encode(flag=Flag.FIN))
        self.machine.waiting = 1
        self.assertEqual(self.happen(1.0 + CLOSE_WAIT), [])
        self.assertEqual(self.machine.shutChannels, [])
        self.machine.waiting = 0
        self.assertEqual(
            self.happen(1.0 + 2 * CLOSE_WAIT), [(QuicEvent.FINISHED, number)]
        )
        self.assertEqual(self.machine.shutChannels, [channel])

    def test_lateData(self) -> None:
        """
        A channel whose halves were reset is not closed while the peer still sends: SCTP
        would keep that, and end the connection when its window is full.
        """
        self.happen(1.0, (RtcEvent.OPENED, ID))
        self.streams.reset(0, 1, 0)
        self.streams.stop(0, 1, 0)
        for now in (1.0, 1.0 + CLOSE_WAIT / 2, 1.0 + CLOSE_WAIT):
            self.machine.unread[ID] += encode(b"late")
            self.happen(now, (RtcEvent.READABLE, ID))
            self.assertEqual(self.machine.unread[ID], [])
        self.happen(0.9 + 2 * CLOSE_WAIT)
        self.assertEqual(self.machine.shutChannels, [])
        self.happen(1.0 + 2 * CLOSE_WAIT)
        self.assertEqual(self.machine.shutChannels, [ID])

    def test_proofAndEnd(self) -> None:
        """
        The end of the channel of the handshake may come together with its last message,
        as that of rust-libp2p does.
        """
        assert self.streams.secured is not None
        self.streams = RtcStreams(
            Association(self.machine, b"", "192.0.2.7", 5, 0.0),
            cast(NoiseHandshake, OneMessage(self.streams.secured)),
            (),
        )
        self.machine.unread[0] += encode(b"proof") + encode(flag=Flag.FIN)
        self.assertEqual(
            self.happen(1.0, (RtcEvent.READABLE, 0)), [(QuicEvent.CONNECTED,)]
        )
        self.assertFalse(self.machine.over)
