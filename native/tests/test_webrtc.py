# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for connections of WebRTC: two ends in memory, hostile calls, and hostile bytes.
"""

from __future__ import annotations

import random
from typing import Any
from unittest import TestCase

from pair import settings

from twisted_libp2p_native import RtcConfig, RtcConnection

CONNECTED, LOST, OPENED, READABLE, WRITABLE, CLOSED, FREED, DRAINED = range(1, 9)
PART, FIRST, PROVEN, FALSE = range(4)
PEER, BROKEN, LOCAL, TIMEOUT = range(1, 5)

WINDOW = 256 * 1024
LOW = 64 * 1024


def certificate() -> tuple[bytes, bytes]:
    """
    Return a new certificate, and its key.
    """
    made = settings()
    return made.certificate, made.privateKey


def config(channels: int = 8, window: int = WINDOW) -> RtcConfig:
    """
    Return what an end needs, with a certificate of its own.
    """
    return RtcConfig(*certificate(), window, LOW, channels, 10.0, 0.4)


class Pair:
    """
    A dialer, C{ends[0]}, and a listener.
    """

    def __init__(self, channels: int = 8) -> None:
        self.now = 100.0
        self.configs = config(channels), config(channels)
        self.ends = (
            RtcConnection(self.configs[0], self.now, True),
            RtcConnection(self.configs[1], self.now, False),
        )
        self.events: tuple[list[Any], list[Any]] = ([], [])
        self.over = [False, False]
        self.sent = [0, 0]

    def run(self, rounds: int = 60, step: float = 0.001) -> None:
        """
        Carry datagrams.
        """
        for _ in range(rounds):
            self.now += step
            for index, end in enumerate(self.ends):
                out, events, _, self.over[index] = end.poll(self.now)
                self.events[index].extend(events)
                self.sent[index] += sum(map(len, out))
                for each in out:
                    self.ends[1 - index].receive(self.now, each)

    def take(self, index: int) -> list[Any]:
        """
        Return and forget the events of an end.
        """
        found = list(self.events[index])
        self.events[index].clear()
        return found


class ConnectionTests(TestCase):
    """
    Two ends connect, and channels carry messages.
    """

    def setUp(self) -> None:
        self.pair = Pair()
        self.pair.run()
        self.assertEqual(self.pair.take(0), [(CONNECTED,)])
        self.assertEqual(self.pair.take(1), [(CONNECTED,)])

    def test_certificates(self) -> None:
        """
        Each end has the certificate of the other.
        """
        first, second = self.pair.ends
        self.assertIsNotNone(first.certificate())
        self.assertIsNotNone(second.certificate())
        self.assertNotEqual(first.certificate(), second.certificate())

    def test_firstChannel(self) -> None:
        """
        Channel 0 is open on both sides.
        """
        first, second = self.pair.ends
        self.assertEqual(second.write(0, b"noise"), 5)
        self.pair.run(20)
        self.assertEqual(self.pair.take(0), [(READABLE, 0)])
        self.assertEqual(first.read(0, 100), (b"noise", False))

    def test_channels(self) -> None:
        """
        Each side opens channels, with numbers of its own, and closes them.
        """
        first, second = self.pair.ends
        self.assertFalse(first.open(1))
        self.assertFalse(second.open(2))
        self.assertTrue(first.open(2))
        self.assertFalse(first.open(2))
        first.write(2, b"here")
        self.pair.run(20)
        self.assertEqual(self.pair.take(1)[:2], [(OPENED, 2), (READABLE, 2)])
        self.assertEqual(second.read(2, 100), (b"here", False))
        first.shut(2)
        self.pair.run(400)
        self.assertIn((CLOSED, 2), self.pair.take(1))
        self.assertIn((FREED, 2), self.pair.take(0))
        self.assertTrue(first.open(2))
        self.assertIsNone(second.write(2, b"gone"))

    def test_late(self) -> None:
        """
        Messages that come after our side has closed their channels are dropped, and the
        numbers can be used again.
        """
        pair = self.pair = Pair(40)
        pair.run()
        first, second = pair.ends
        channels = range(2, 62, 2)
        for each in channels:
            first.open(each)
        pair.run(20)
        for each in channels:
            self.assertTrue(second.write(each, b"late"))
            first.shut(each)
        pair.take(0)
        pair.run(400)
        self.assertEqual({each[0] for each in pair.take(0)}, {FREED})
        pair.take(1)
        for each in channels:
            self.assertTrue(first.open(each))
            first.write(each, b"again")
        pair.run(60)
        for each in channels:
            self.assertEqual(second.read(each, 100), (b"again", False))
            second.write(each, b"answer")
        pair.run(60)
        for each in channels:
            self.assertEqual(first.read(each, 100), (b"answer", False))

    def test_messages(self) -> None:
        """
        Messages are joined up to a size, and the sender learns when few bytes wait.
        """
        first, second = self.pair.ends
        first.open(2)
        for _ in range(100):
            waiting = first.write(2, bytes(16384))
        self.assertGreater(waiting or 0, LOW)
        got = 0
        for _ in range(2000):
            self.pair.run(1, 0.01)
            got += len(second.read(2, 16384)[0])
        self.assertEqual(got, 100 * 16384)
        self.assertIn((WRITABLE, 2), self.pair.take(0))

    def test_full(self) -> None:
        """
        Bytes of all channels together wait up to a bound, and an event reports when few
        of them do.
        """
        pair = self.pair = Pair(40)
        pair.run()
        first, second = pair.ends
        written, channels = 0, range(2, 62, 2)
        for each in channels:
            first.open(each)
        while not first.full():
            for each in channels:
                if not first.full():
                    first.write(each, bytes(16384))
                    written += 16384
            pair.run(1)
        self.assertGreaterEqual(written, 1 << 20)
        self.assertLess(written, (1 << 20) + 3 * WINDOW)
        self.assertNotIn((DRAINED,), pair.take(0))
        got = 0
        for _ in range(3000):
            pair.run(1, 0.01)
            got += sum(len(second.read(each, WINDOW)[0]) for each in channels)
        self.assertEqual(got, written)
        self.assertFalse(first.full())
        self.assertEqual(pair.take(0).count((DRAINED,)), 1)

    def test_unread(self) -> None:
        """
        Messages that nobody reads stop the sender at the window.
        """
        first, second = self.pair.ends
        first.open(2)
        for _ in range(100):
            first.write(2, bytes(16384))
        self.pair.run(500, 0.01)
        self.assertLess(self.pair.sent[0], 2 * WINDOW)
        self.assertGreater(first.buffered(2) or 0, 0)
        self.assertEqual(len(second.read(2, 1)[0]), 16384)

    def test_readAgain(self) -> None:
        """
        A sender that was stopped by the window for a moment goes on after a read.
        """
        first, second = self.pair.ends
        first.open(2)
        for _ in range(40):
            first.write(2, bytes(16384))
        self.pair.run(100)
        got = 0
        for _ in range(100):
            self.pair.run(1)
            got += len(second.read(2, WINDOW)[0])
        self.assertEqual(got, 40 * 16384)

    def test_tooManyChannels(self) -> None:
        """
        A channel more than the peer may have is closed.
        """
        first, _ = self.pair.ends
        for each in range(2, 22, 2):
            first.open(each)
        self.pair.run(400)
        opened = [each for each in self.pair.take(1) if each[0] == OPENED]
        self.assertEqual(len(opened), 8)
        closed = {each for each in self.pair.take(0) if each[0] == CLOSED}
        self.assertEqual(closed, {(CLOSED, 18), (CLOSED, 20)})

    def test_closed(self) -> None:
        """
        An end closes, and the other one learns of it, and can still read.
        """
        first, second = self.pair.ends
        first.open(2)
        first.write(2, b"last words")
        self.pair.run(20)
        first.close(self.pair.now)
        self.pair.run(5)
        self.assertEqual(self.pair.take(0)[-1], (LOST, LOCAL, ""))
        self.assertEqual(self.pair.take(1)[-1][:2], (LOST, PEER))
        self.assertEqual(self.pair.over, [True, True])
        self.assertEqual(second.read(2, 100), (b"last words", False))
        self.assertFalse(second.open(1))
        self.assertIsNone(second.write(2, b""))

    def test_garbage(self) -> None:
        """
        Datagrams of strangers change nothing.
        """
        first, second = self.pair.ends
        random_ = random.Random(1)
        for each in range(500):
            size = random_.randrange(100)
            head = bytes([random_.randrange(20, 64), 254, 253])
            second.receive(self.pair.now, head[: each % 4] + random_.randbytes(size))
        first.open(2)
        first.write(2, b"still here")
        self.pair.run(20)
        self.assertEqual(second.read(2, 100), (b"still here", False))


class ProofTests(TestCase):
    """
    A listener asks dialers to prove their addresses, and keeps nothing for this.
    """

    def setUp(self) -> None:
        self.dialer = RtcConnection(config(), 1.0, True)
        self.listener = config()
        (self.hello,) = self.dialer.poll(1.0)[0]

    def again(self) -> bytes:
        """
        Return the hello with the cookie.
        """
        answer = self.listener.ask(1.0, b"here", self.hello)
        assert answer is not None
        self.assertLess(len(answer), len(self.hello))
        self.dialer.receive(1.0, answer)
        (again,) = self.dialer.poll(1.0)[0]
        return again

    def test_judge(self) -> None:
        """
        A cookie is good for one address, and for a while.
        """
        listener, again = self.listener, self.again()
        self.assertEqual(listener.judge(1.0, b"here", self.hello), FIRST)
        self.assertEqual(listener.judge(1.0, b"here", again), PROVEN)
        self.assertEqual(listener.judge(31.0, b"here", again), PROVEN)
        self.assertEqual(listener.judge(61.0, b"here", again), FALSE)
        self.assertEqual(listener.judge(1.0, b"there", again), FALSE)
        self.assertEqual(config().judge(1.0, b"here", again), FALSE)
        self.assertIsNone(listener.resume(1.0, b"there", again))
        self.assertIsNone(listener.resume(1.0, b"here", self.hello))
        self.assertIsNone(listener.ask(1.0, b"here", again))

    def test_resume(self) -> None:
        """
        The handshake goes on with another machine than the one that has asked.
        """
        listener = self.listener.resume(1.0, b"here", self.again())
        assert listener is not None
        pair = Pair()
        pair.now, pair.ends = 1.0, (self.dialer, listener)
        pair.run()
        self.assertEqual(pair.take(0), [(CONNECTED,)])
        self.assertEqual(pair.take(1), [(CONNECTED,)])

    def test_garbage(self) -> None:
        """
        Anything else is no hello, and has no cookie.
        """
        again, random_ = self.again(), random.Random(3)
        for _ in range(3000):
            data = bytearray(random_.choice((self.hello, again)))
            for _ in range(random_.randrange(1, 4)):
                data[random_.randrange(25, len(data))] = random_.randrange(256)
            del data[random_.choice((len(data), random_.randrange(len(data)))) :]
            changed = bytes(data)
            kind = self.listener.judge(1.0, b"here", changed)
            self.assertIn(kind, (PART, FIRST, FALSE) if changed != again else (PROVEN,))
            answer = self.listener.ask(1.0, b"here", changed)
            self.assertLessEqual(len(answer or b""), len(changed))
            self.assertIsNone(self.listener.resume(1.0, b"there", changed))
        for call in (self.listener.judge, self.listener.ask, self.listener.resume):
            self.assertRaises(ValueError, call, float("nan"), b"here", self.hello)


class BoundaryTests(TestCase):
    """
    Whatever the caller or a stranger does, there is an exception or an event.
    """

    def test_settings(self) -> None:
        """
        Settings out of range are refused.
        """
        good = [*certificate(), WINDOW, LOW, 8, 10.0, 0.4]
        for index, bad in (
            (1, b"no key"),
            (2, 1000),
            (5, 0.0),
            (5, float("nan")),
            (6, 1e9),
        ):
            with self.subTest(index=index, bad=bad):
                settings = list(good)
                settings[index] = bad
                self.assertRaises(ValueError, RtcConfig, *settings)

    def test_early(self) -> None:
        """
        Before the connection is ready, nothing can be opened, written or read.
        """
        end = RtcConnection(config(), 1.0, False)
        self.assertFalse(end.open(1))
        self.assertIsNone(end.write(0, b"x"))
        self.assertIsNone(end.buffered(0))
        self.assertEqual(end.read(0, 10), (b"", False))
        self.assertIsNone(end.certificate())
        end.shut(5)
        self.assertRaises(ValueError, end.poll, float("nan"))
        self.assertEqual(end.poll(1.0)[1], [])

    def test_cookie(self) -> None:
        """
        The first answer to a peer whose address is not proven is short.
        """
        dialer = RtcConnection(config(), 1.0, True)
        listener = RtcConnection(config(), 1.0, False)
        hello = dialer.poll(1.0)[0]
        for each in hello:
            listener.receive(1.0, each)
        answers = listener.poll(1.0)[0]
        self.assertLess(sum(map(len, answers)), sum(map(len, hello)))

    def test_timeout(self) -> None:
        """
        A handshake that does not go on ends, after a few repeats.
        """
        dialer = RtcConnection(config(), 1.0, True)
        listener = RtcConnection(config(), 1.0, False)
        for each in dialer.poll(1.0)[0]:
            listener.receive(1.0, each)
        now, sent, found = 1.0, 0, []
        for _ in range(200):
            out, events, _, over = listener.poll(now)
            sent += sum(map(len, out))
            found += events
            if over:
                break
            now += 0.1
        self.assertEqual([each[:2] for each in found], [(LOST, TIMEOUT)])
        self.assertLess(sent, 1000)

    def test_strangers(self) -> None:
        """
        Random bytes in the place of a handshake end in an error at most.
        """
        made = config()
        random_ = random.Random(2)
        for _ in range(100):
            end = RtcConnection(made, 1.0, bool(random_.randrange(2)))
            for _ in range(20):
                size = random_.randrange(1500)
                end.receive(1.0, b"\x16\xfe\xfd" + random_.randbytes(size))
                end.poll(1.0)
