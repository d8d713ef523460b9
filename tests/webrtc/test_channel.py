# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a channel as a stream.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.webrtc.fake import FakeMachine
from twisted_libp2p.interfaces import FIN
from twisted_libp2p.webrtc.channel import BUFFER, Channel
from twisted_libp2p.webrtc.messages import PIECE, SMALL_PIECE, Flag, encode
from twisted_libp2p.webrtc.native import HIGH


def joined(*messages: tuple[bytes, ...]) -> bytes:
    """
    Join encoded messages.
    """
    return b"".join(b"".join(each) for each in messages)


def _reset(channel: Channel) -> None:
    channel.reset(0)


class ChannelTests(SynchronousTestCase):
    """
    Both halves, with their ends.
    """

    def setUp(self) -> None:
        self.machine = FakeMachine()
        self.channel = Channel(self.machine, 7, 4, False)
        self.happened: list[str] = []

    def report(self, channel: Channel, what: str) -> None:
        """
        Keep what has happened.
        """
        self.happened.append(what)

    def come(self, *messages: tuple[bytes, ...]) -> list[str]:
        """
        Let messages come; return what happened.
        """
        self.machine.unread[4] += [each for parts in messages for each in parts]
        self.channel.more = True
        self.channel.pull(self.report)
        happened, self.happened = self.happened, []
        return happened

    def said(self) -> bytes:
        """
        Return what was sent since.
        """
        return b"".join(self.machine.written.pop(4, []))

    def test_bytes(self) -> None:
        """
        Bytes are reported once until they are read.
        """
        self.assertEqual(self.come(encode(b"a"), encode(b"b")), ["data"])
        self.assertEqual(self.come(encode(b"c")), [])
        self.assertEqual(self.channel.read(2), (b"ab", None))
        self.assertEqual(self.channel.read(2), (b"c", None))
        self.assertIsNone(self.channel.read(2))
        self.assertEqual(self.come(encode(b"d")), ["data"])

    def test_end(self) -> None:
        """
        The end of the peer's half is to be acknowledged, once, and read once.
        """
        self.assertEqual(self.come(encode(b"a", Flag.FIN)), ["data"])
        self.assertEqual(self.said(), b"")
        for said in (joined(encode(flag=Flag.FIN_ACK)), b""):
            self.channel.acknowledge()
            self.assertEqual(self.said(), said)
        self.assertEqual(self.channel.read(9), (b"a", FIN))
        self.assertIsNone(self.channel.read(9))
        self.assertFalse(self.channel.done)

    def test_endAtOnce(self) -> None:
        """
        It is acknowledged at once if the peer is known to acknowledge ends, now or
        later.
        """
        other = Channel(self.machine, 8, 5, True, acknowledging=True)
        self.machine.unread[5] += encode(flag=Flag.FIN)
        other.more = True
        other.pull(self.report)
        answer = list(encode(flag=Flag.FIN_ACK))
        self.assertEqual(self.machine.written.pop(5), answer)
        self.come(encode(flag=Flag.FIN))
        self.channel.peerAcknowledges()
        self.assertEqual(self.machine.written.pop(4), answer)

    def test_sizes(self) -> None:
        """
        No message of SCTP has more than 8192 bytes before the peer has acknowledged an
        end, and it may have 16 KiB afterwards.
        """
        size = 3 * PIECE
        self.assertEqual(self.channel.write([bytes(size)]), size)
        sent = self.machine.written.pop(4)
        self.assertEqual(max(map(len, sent)) + 2, 8192)
        first = b"".join(encode(bytes(SMALL_PIECE)))
        self.assertEqual(b"".join(sent)[: len(first)], first)
        self.channel.peerAcknowledges()
        self.assertEqual(self.channel.write([bytes(size)]), size)
        sent = self.machine.written.pop(4)
        self.assertEqual(max(map(len, sent)) + 2, 16384)

    def test_endOwed(self) -> None:
        """
        If it was not acknowledged by then, it is after the end of our half, whatever
        that is.
        """
        for end, flag in ((Channel.finish, Flag.FIN), (_reset, Flag.RESET)):
            self.channel = Channel(self.machine, 7, 4, False)
            self.come(encode(flag=Flag.FIN))
            end(self.channel)
            expected = joined(encode(flag=flag), encode(flag=Flag.FIN_ACK))
            self.assertEqual(self.said(), expected)

    def test_endLater(self) -> None:
        """
        It is acknowledged at once if our half has ended before.
        """
        self.channel.finish()
        self.said()
        self.assertEqual(self.come(encode(flag=Flag.FIN)), ["data"])
        self.assertEqual(self.said(), joined(encode(flag=Flag.FIN_ACK)))

    def test_ourEnd(self) -> None:
        """
        Our half has ended when the peer has acknowledged it.
        """
        self.channel.finish()
        self.channel.finish()
        self.assertEqual(self.said(), joined(encode(flag=Flag.FIN)))
        self.assertEqual(self.channel.write([b"late"]), 0)
        self.assertEqual(self.come(encode(flag=Flag.FIN_ACK)), ["acknowledged"])
        self.come(encode(flag=Flag.FIN))
        self.assertTrue(self.channel.done)

    def test_reset(self) -> None:
        """
        A reset drops the unread bytes, and has a code.
        """
        self.come(encode(b"a"))
        self.assertEqual(self.come(encode(flag=Flag.RESET, code=9)), ["reset"])
        self.assertEqual(self.channel.code, 9)
        self.assertEqual(self.channel.read(9), (b"", 9))
        self.channel.reset(9)
        self.assertEqual(self.said(), joined(encode(flag=Flag.RESET, code=9)))
        self.assertTrue(self.channel.done)

    def test_stop(self) -> None:
        """
        After STOP_SENDING of ours, bytes are dropped; that of the peer is reported.
        """
        self.channel.stop(0)
        self.assertEqual(self.said(), joined(encode(flag=Flag.STOP_SENDING)))
        self.assertEqual(self.come(encode(b"a")), [])
        self.assertIsNone(self.channel.read(9))
        self.assertEqual(self.come(encode(flag=Flag.STOP_SENDING)), ["stopped"])

    def test_closed(self) -> None:
        """
        A channel that is closed without an end was reset.
        """
        self.channel.shut(self.report)
        self.assertEqual(self.happened, ["reset", "stopped"])
        self.assertTrue(self.channel.over)

    def test_closedAfterEnds(self) -> None:
        """
        A channel that is closed after its ends keeps the unread bytes, and an end
        that was not acknowledged needs this no longer.
        """
        self.channel.finish()
        self.come(encode(b"a", Flag.FIN))
        self.channel.shut(self.report)
        self.assertEqual(self.happened, ["finished"])
        self.assertFalse(self.channel.over)
        self.assertEqual(self.channel.read(9), (b"a", FIN))
        self.assertTrue(self.channel.over)

    def test_broken(self) -> None:
        """
        A message that is too long, and one of text, break the stream.
        """
        self.assertEqual(self.come((b"\xff\xff\x7f",)), ["broken"])
        self.machine.text.add(4)
        self.assertEqual(self.come((b"",)), ["broken"])

    def test_buffer(self) -> None:
        """
        Unread bytes are bounded: more stay below.
        """
        piece = joined(encode(bytes(PIECE)))
        self.machine.unread[4] = [piece] * 40
        self.channel.more = True
        self.channel.pull(self.report)
        self.assertTrue(self.channel.more)
        kept = self.channel.read(10 * BUFFER)
        assert kept is not None
        self.assertLess(len(kept[0]), BUFFER + PIECE)
        self.assertGreater(len(self.machine.unread[4]), 20)

    def test_write(self) -> None:
        """
        Bytes are taken in messages as long as few wait.
        """
        data = bytes(range(256)) * 256
        self.assertEqual(self.channel.write([data, b"more"]), len(data) + 4)
        self.assertFalse(self.channel.blocked)
        self.said()
        self.machine.waiting = HIGH
        self.assertEqual(self.channel.write([data]), 0)
        self.assertTrue(self.channel.blocked)

    def test_finishedTwice(self) -> None:
        """
        Only the first end of the peer is acknowledged.
        """
        self.channel.finish()
        self.said()
        for count in (1, 0):
            self.machine.unread[4] = list(encode(flag=Flag.FIN))
            self.channel.more = True
            self.channel.pull(self.report)
            self.assertEqual(len(self.machine.written.pop(4, [])), count)
