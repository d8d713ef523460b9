# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the boundary between Python and Rust: hostile calls, and panics.  The suite of
twisted_libp2p for all backends tests the protocol.
"""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from subprocess import check_output
from typing import Any
from unittest import TestCase

from pair import (
    CONFIRMED,
    CONNECTED,
    LOST,
    READABLE,
    Cause,
    Knock,
    Pair,
    Sent,
    Stats,
    endpoint,
    settings,
)

from twisted_libp2p_native import Endpoint, PanicException

INTERNAL_ERROR = 1


class StartTests(TestCase):
    """
    What a process pays once.
    """

    def test_random(self) -> None:
        """
        The first connection of a process does not wait for aws-lc to measure the jitter
        of the processor, which takes 65 ms and more.
        """
        program = (
            "import time; from pair import Pair, endpoint;"
            "ends = endpoint(), endpoint(); begin = time.process_time();"
            "Pair(*ends); print(time.process_time() - begin)"
        )
        command = (sys.executable, "-c", program)
        here = Path(__file__).parent
        took = [float(check_output(command, cwd=here)) for _ in range(3)]
        self.assertLess(min(took), 0.04)


class ConnectionTests(TestCase):
    """
    Two endpoints connect, and streams carry bytes.
    """

    def test_connected(self) -> None:
        """
        Both connect, and the dialer is confirmed.
        """
        pair = Pair(endpoint(), endpoint())
        self.assertEqual(pair.kinds(0)[:2], [CONNECTED, CONFIRMED])
        self.assertEqual(pair.kinds(1), [CONNECTED])

    def test_zones(self) -> None:
        """
        The zones of link-local addresses come back as they were given.
        """
        hosts = ("fe80::1%eth0", "fe80::2%eth1")
        pair = Pair(endpoint(), endpoint(), hosts)
        self.assertIn(CONFIRMED, pair.kinds(0))
        self.assertEqual(pair.ends[0].address(pair.handle(0)), (hosts[1], 4))
        self.assertEqual(pair.ends[1].address(pair.handle(1)), (hosts[0], 3))

    def test_firstStreams(self) -> None:
        """
        A peer may open 64 streams at first.
        """
        pair = Pair(endpoint(), endpoint())
        self.assertEqual(self.opened(pair), 64)

    def test_browsers(self) -> None:
        """
        A browser may open all streams at once.
        """
        listener, web = endpoint(), settings()
        listener.serveWeb(web.certificate, web.privateKey)
        pair = Pair(endpoint(alpn=(b"h3",)), listener)
        self.assertIn(CONFIRMED, pair.kinds(0))
        self.assertEqual(self.opened(pair), 256)

    @staticmethod
    def opened(pair: Pair) -> int:
        """
        Open streams of the dialer until no more is allowed, and return their number.
        """
        count = 0
        while pair.ends[0].open(pair.handle(0)) is not None:
            count += 1
        return count

    def test_pieces(self) -> None:
        """
        Pieces of all sizes and types arrive in order.
        """
        pair = Pair(endpoint(), endpoint())
        dialer, listener = pair.ends
        stream = dialer.open(pair.handle(0))
        assert stream is not None
        large = bytes(range(256)) * 600
        pieces: list[bytes | memoryview] = [
            b"",
            b"a",
            large,
            memoryview(large),
            memoryview(large)[5:-5],
            memoryview(bytearray(b"z")),
        ]
        whole = b"".join(pieces)
        self.assertEqual(dialer.write(pair.handle(0), stream, pieces), len(whole))
        dialer.finish(pair.handle(0), stream)
        got = b""
        end = None
        while end is None:
            pair.run()
            read = listener.read(pair.handle(1), stream, 10_000)
            if read is not None:
                data, end = read
                self.assertLessEqual(len(data), 10_000)
                got += data
        self.assertEqual((got, end), (whole, -1))

    def test_streams(self) -> None:
        """
        A peer is granted 64 streams, and all that it may have when it uses half of
        them.
        """
        pair = Pair(endpoint(maxStreams=200), endpoint(maxStreams=200))
        dialer = pair.ends[0]
        opened: list[int] = []
        for count in (64, 200):
            while (stream := dialer.open(pair.handle(0))) is not None:
                opened.append(stream)
            self.assertEqual(len(opened), count)
            for each in opened:
                dialer.write(pair.handle(0), each, [b"x"])
            pair.run()

    def test_room(self) -> None:
        """
        A connection keeps 1 MiB of what it sends at first, and two congestion windows
        when these have grown, up to the send window.
        """
        mib = 1024 * 1024
        pair = Pair(endpoint(), endpoint(streamWindow=8 * mib))
        dialer, listener = pair.ends
        handle, stream = pair.handle(0), dialer.open(pair.handle(0))
        assert stream is not None
        taken = [dialer.write(handle, stream, [bytes(9 * mib)])]
        while sum(taken) < 60 * mib:
            pair.run()
            while (read := listener.read(pair.handle(1), stream, mib)) and read[0]:
                pass
            pair.run()
            taken.append(dialer.write(handle, stream, [bytes(9 * mib)]))
        self.assertEqual(taken[0], mib)
        self.assertGreater(max(taken), 2 * mib)
        self.assertLessEqual(max(taken), 4 * mib)

    def test_keepAlive(self) -> None:
        """
        The time between pings is a third of the smaller idle timeout.
        """
        pair = Pair(
            endpoint(idleTimeout=30, keepAlive=15), endpoint(idleTimeout=6, keepAlive=0)
        )
        for _ in range(40):
            due = [each for each in pair.due if each is not None]
            pair.now = max(pair.now, min(due))
            pair.run()
        self.assertGreater(pair.now, 130.0)
        self.assertNotIn(LOST, pair.kinds(0) + pair.kinds(1))


class HostileCallTests(TestCase):
    """
    Wrong calls raise ordinary exceptions, and change nothing.
    """

    def setUp(self) -> None:
        """
        Make a connection.
        """
        self.pair = Pair(endpoint(), endpoint())
        self.end = self.pair.ends[0]
        self.handle = self.pair.handle(0)

    def works(self) -> None:
        """
        Check that the connection still carries bytes.
        """
        stream = self.end.open(self.handle)
        assert stream is not None
        self.assertEqual(self.end.write(self.handle, stream, [b"hi"]), 2)
        self.pair.run()
        self.assertEqual(
            self.pair.ends[1].read(self.pair.handle(1), stream, 9), (b"hi", None)
        )

    def test_unknownHandles(self) -> None:
        """
        A handle that was never given, or is forgotten, raises KeyError.
        """
        self.end.forget(self.handle)
        for handle in (self.handle, self.handle + 1, 2**63):
            for name, arguments in (
                ("poll", (0.0,)),
                ("forget", ()),
                ("open", ()),
                ("write", (0, [b""])),
                ("finish", (0,)),
                ("reset", (0, 0)),
                ("stop", (0, 0)),
                ("read", (0, 1)),
                ("close", (0.0, 0, b"")),
                ("ping", ()),
                ("moved", (0.0,)),
                ("setWindow", (1,)),
                ("certificate", ()),
                ("alpn", ()),
                ("address", ()),
                ("stats", ()),
            ):
                with self.subTest(name), self.assertRaises(KeyError):
                    getattr(self.end, name)(handle, *arguments)

    def test_handlesAreNotReused(self) -> None:
        """
        A forgotten handle does not become that of another connection.
        """
        self.end.forget(self.handle)
        self.assertNotEqual(
            self.end.connect(0.0, "192.0.2.9", 1, None, "l"), self.handle
        )

    def test_wrongTypes(self) -> None:
        """
        Arguments of wrong types raise TypeError or ValueError.
        """
        end: Any = self.end
        for name, arguments in (
            ("receive", (0.0, [("text", "192.0.2.1", 1, 0, 0)])),
            ("receive", (0.0, [(b"", b"192.0.2.1", 1, 0, 0)])),
            ("receive", (0.0, [(b"", "example.org", 1, 0, 0)])),
            ("receive", (0.0, [(b"", "192.0.2.1", 70_000, 0, 0)])),
            ("receive", (0.0, [(b"", "192.0.2.1", 1)])),
            ("receive", (0.0, [b"data"])),
            ("receive", (0.0, None)),
            ("receive", ("now", [])),
            ("write", (self.handle, 0, ["text"])),
            ("write", (self.handle, 0, [None])),
            ("write", (self.handle, 0, 5)),
            ("read", (self.handle, 0, "all")),
            ("connect", (0.0, "192.0.2.1", 1, "peer", "l")),
            ("connect", (0.0, "192.0.2.1", 0, None, "l")),
            ("connect", (0.0, "0.0.0.0", 1, None, "l")),
            ("connect", (0.0, "fe80::1%", 1, None, "l")),
            ("connect", (0.0, "192.0.2.1%eth0", 1, None, "l")),
            ("connect", (0.0, "192.0.2.1", 1, None, "")),
            ("close", (self.handle, 0.0, 0, "reason")),
            ("close", (self.handle, 0.0, 2**62, b"")),
            ("reset", (self.handle, 0, 2**62)),
        ):
            self.end.open(self.handle)
            with (
                self.subTest(name, arguments=arguments),
                self.assertRaises((BufferError, OverflowError, TypeError, ValueError)),
            ):
                getattr(end, name)(*arguments)
        self.works()

    def test_times(self) -> None:
        """
        A time that is none raises ValueError; a clock that steps back stands still.
        """
        for now in (float("nan"), float("inf"), float("-inf"), 1e300, 2.0**63):
            with self.subTest(now), self.assertRaises(ValueError):
                self.end.poll(self.handle, now)
        self.end.poll(self.handle, -1e9)
        self.works()

    def test_firstTime(self) -> None:
        """
        A bad time is not the beginning of the clock.
        """
        end = endpoint()
        with self.assertRaises(ValueError):
            end.receive(float("nan"), [])
        self.assertEqual(end.receive(5.0, []), ([], [], []))

    def test_unknownStreams(self) -> None:
        """
        Calls on streams that do not exist change nothing.
        """
        # The first of the peer, the next of the peer's kind, streams of one direction,
        # and numbers that are none.
        for stream in (1, 5, 2, 3, 2**62 - 1, 2**62, 2**64 - 1):
            with self.subTest(stream):
                self.assertEqual(self.end.write(self.handle, stream, [b"x"]), 0)
                self.assertIsNone(self.end.read(self.handle, stream, 10))
                self.end.finish(self.handle, stream)
                self.end.reset(self.handle, stream, 1)
                self.end.stop(self.handle, stream, 1)
        self.pair.run()
        self.works()

    def test_movedAfterTheEnd(self) -> None:
        """
        A connection that has just ended may be called.  quinn-proto 0.11.19 would panic
        at its last events.
        """
        dialer, listener = self.pair.ends
        listener.forget(self.pair.handle(1))
        # The listener answers by a stateless reset.
        dialer.ping(self.handle)
        sent, *_ = dialer.poll(self.handle, self.pair.now)
        arrived = [(each.data + bytes(99), "192.0.2.1", 3, 0, 0) for each in sent]
        *_, answers = listener.receive(self.pair.now, arrived)
        (reset,) = answers
        dialer.receive(self.pair.now, [(reset.data, "192.0.2.2", 4, 0, 0)])
        dialer.moved(self.handle, self.pair.now)
        _, events, *_ = dialer.poll(self.handle, self.pair.now)
        self.assertEqual([event[:2] for event in events], [(LOST, Cause.RESET)])
        *_, over = dialer.poll(self.handle, self.pair.now)
        self.assertTrue(over)

    def test_sizes(self) -> None:
        """
        Settings out of their range raise TypeError or ValueError.
        """
        for option in (
            {"maxSegments": 0},
            {"maxDatagram": 1199},
            {"maxDatagram": 70_000},
            {"idleTimeout": -1.0},
            {"idleTimeout": float("nan")},
            {"keepAlive": float("inf")},
            {"tokenKey": b"short"},
            {"resetKey": b""},
            {"alpn": ()},
            {"alpn": (b"",)},
            {"alpn": (bytes(256),)},
            {"maxStreams": -1},
            {"streamWindow": 2**40},
            {"privateKey": b"no key"},
        ):
            with self.subTest(option), self.assertRaises((TypeError, ValueError)):
                endpoint(**option)

    def test_noSettings(self) -> None:
        """
        Settings without an attribute are refused.
        """
        settings: Any = object()
        with self.assertRaises(AttributeError):
            Endpoint(settings, Sent, Knock, Stats, Cause)


class JudgeTests(TestCase):
    """
    The judge is the only piece of Python that runs within a call.
    """

    def refused(self, judge: Any) -> tuple[Any, ...]:
        """
        Have a listener with this judge refuse a dialer, and return its last event.
        """
        pair = Pair(endpoint(), endpoint(judge=judge))
        self.assertEqual(pair.kinds(1), [LOST])
        self.assertEqual(pair.kinds(0)[-1], LOST)
        self.assertNotIn(CONFIRMED, pair.kinds(0))
        event: tuple[Any, ...] = pair.events[1][-1]
        return event

    def test_raises(self) -> None:
        """
        The event has the text of the judge's exception.
        """

        def judge(certificate: bytes, expected: bytes | None) -> bytes:
            raise ValueError("it has expired")

        self.assertEqual(
            self.refused(judge), (LOST, Cause.TRANSPORT, 0x12A, "it has expired")
        )

    def test_wrongAnswers(self) -> None:
        """
        Answers that are no key refuse the peer.
        """
        for answer in (None, 5, "text", b"", b"\x30\x03\x02\x01\x00", bytes(1000)):
            with self.subTest(answer):
                self.refused(lambda certificate, expected, answer=answer: answer)

    def test_notCallable(self) -> None:
        """
        A judge that cannot be called refuses all.
        """
        self.refused(None)
        self.refused(lambda: b"")

    def test_callsTheEndpoint(self) -> None:
        """
        A judge that calls the endpoint gets RuntimeError.
        """
        ends: list[Endpoint] = []
        caught: list[str] = []

        def judge(certificate: bytes, expected: bytes | None) -> bytes:
            try:
                ends[0].poll(0, 0.0)
            except RuntimeError as error:
                caught.append(str(error))
            raise ValueError("enough")

        ends.append(endpoint(judge=judge))
        pair = Pair(endpoint(), ends[0])
        self.assertEqual(pair.kinds(1), [LOST])
        self.assertEqual(len(caught), 1)

    def test_panic(self) -> None:
        """
        A panic ends the connection in which it happens, and no other one.
        """
        panics = False

        def judge(certificate: bytes, expected: bytes | None) -> bytes:
            if panics:
                raise PanicException("on purpose")
            return accept(certificate, expected)

        accept = settings().judge
        listener = endpoint(judge=judge)
        good = Pair(endpoint(), listener)
        panics = True
        bad = Pair(endpoint(), listener, ("192.0.2.7", "192.0.2.2"))
        ((kind, cause, code, text),) = bad.events[1]
        self.assertEqual((kind, cause, code), (LOST, Cause.TRANSPORT, INTERNAL_ERROR))
        self.assertIn("on purpose", text)
        self.assertTrue(bad.over[1])
        handle = bad.handle(1)
        self.assertEqual(listener.poll(handle, bad.now), ([], [], None, True))
        self.assertIsNone(listener.open(handle))
        self.assertEqual(listener.write(handle, 0, [b"x"]), 0)
        self.assertIsNone(listener.read(handle, 0, 1))
        self.assertIsNone(listener.certificate(handle))
        self.assertEqual(listener.address(handle), ("", 0))
        listener.close(handle, bad.now, 0, b"")
        listener.ping(handle)
        listener.forget(handle)
        stream = good.ends[0].open(good.handle(0))
        assert stream is not None
        good.ends[0].write(good.handle(0), stream, [b"still here"])
        good.run()
        self.assertIn(READABLE, good.kinds(1))
        self.assertEqual(
            listener.read(good.handle(1), stream, 99), (b"still here", None)
        )

    def test_collected(self) -> None:
        """
        An endpoint whose judge refers to it is collected as garbage.
        """

        class Owner:
            def judge(self, certificate: bytes, expected: bytes | None) -> bytes:
                return b""

        owner = Owner()
        owner.end = endpoint(judge=owner.judge)  # type: ignore[attr-defined]
        gone = weakref.ref(owner)
        del owner
        gc.collect()
        self.assertIsNone(gone())


class DatagramTests(TestCase):
    """
    Datagrams of strangers do no harm.
    """

    def test_changed(self) -> None:
        """
        Every changed byte of a first datagram, and every prefix of it, is taken.
        """
        dialer, listener = endpoint(), endpoint()
        handle = dialer.connect(0.0, "192.0.2.2", 4, None, "l")
        sent, *_ = dialer.poll(handle, 0.0)
        data = sent[0].data
        for place in range(0, len(data), 3):
            changed = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
            for each in (changed, data[:place]):
                _, knocks, _ = listener.receive(0.0, [(each, "192.0.2.1", 3, 1200, 0)])
                for knock in knocks:
                    accepted, _ = listener.accept(0.0, knock.number)
                    if accepted is not None:
                        listener.poll(accepted, 0.0)
                        listener.forget(accepted)

    def test_segments(self) -> None:
        """
        Segments of any size are cut from a buffer of any size.
        """
        listener = endpoint()
        for size in (0, 1, 2, 1199, 65_000):
            for segment in (0, 1, 2, 64, 65_535, 2**40):
                received = listener.receive(
                    0.0, [(bytes(size), "192.0.2.1", 3, segment, 3)]
                )
                self.assertEqual(received, ([], [], []))
