# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The cases of RFC 6455, in the order of the Autobahn test suite and after its headings,
for the client and the server: all but compression, which is not offered, and with
binary messages where the suite has text, which libp2p does not allow.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    Raw,
    code,
    frame,
)
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.testing.pump import byteByByte, inReads
from twisted_libp2p.transport.websocket.layer import CLOSING_TIME, FRAME


class _Cases:
    """
    The cases, for one side.
    """

    server: bool
    assertEqual: Any
    assertIn: Any
    assertLess: Any
    assertTrue: Any

    def raws(self) -> list[Raw]:
        """
        Return two connections: the bytes of the first come as in a socket, those of the
        second one by one.
        """
        return [Raw(self.server, split=split) for split in (inReads, byteByByte)]

    def passes(
        self, *frames: Any, data: bytes, answers: list[tuple[int, bytes]] | None = None
    ) -> None:
        """
        Check that frames are accepted.

        @param data: the delivered bytes.
        @param answers: the frames that answer.
        """
        for raw in self.raws():
            raw.frames(*frames)
            self.assertEqual(raw.upper.received, data)
            self.assertEqual(raw.upper.reasons, [])
            self.assertEqual(
                raw.answers, [(each[0], True, each[1]) for each in answers or []]
            )

    def fails(self, *frames: Any, status: int, data: bytes = b"") -> None:
        """
        Check that frames are refused: with a close frame of this code, and without
        delivering anything that follows.
        """
        for raw in self.raws():
            made = [
                each
                if isinstance(each, bytes)
                else frame(each[0], each[1], fin=each[-1] is not False, mask=raw.mask)
                for each in frames
            ]
            raw.send(b"".join(made) + frame(BINARY, b"never", mask=raw.mask))
            self.assertEqual(raw.upper.received, data)
            opcode, _, payload = raw.answers[-1]
            self.assertEqual((opcode, code(payload)), (CLOSE, status))
            (reason,) = raw.upper.reasons
            self.assertTrue(reason.check(ProtocolViolation), reason)
            self.assertEqual(raw.clock.getDelayedCalls(), [])

    @property
    def mask(self) -> bytes | None:
        """
        The mask of the peer's frames.
        """
        return b"\x37\xfa\x21\x3d" if self.server else None

    # 1: framing

    def test_1_framing(self) -> None:
        """
        Messages of all sizes around those where the form of the size changes.
        """
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536):
            data = bytes(range(256)) * (size // 256) + bytes(size % 256)
            raw = Raw(self.server)
            raw.frames((BINARY, data))
            self.assertEqual(raw.upper.received, data)
            raw.layer.write(data)
            raw.pump.flush()
            self.assertEqual(raw.answers, [(BINARY, True, data)] if data else [])

    def test_1_text(self) -> None:
        """
        Text messages are refused with 1003, whole or in fragments: libp2p has none.
        """
        self.fails((BINARY, b"data"), (TEXT, b"hello"), status=1003, data=b"data")
        self.fails((TEXT, b""), status=1003)
        raw = Raw(self.server)
        raw.frames((TEXT, b"hel", False))
        self.assertEqual(raw.upper.received, b"")
        self.assertEqual(code(raw.answers[-1][2]), 1003)

    def test_1_longSizes(self) -> None:
        """
        Sizes in a longer form than is needed are accepted, as most implementations do.
        """
        flag = 0x80 if self.server else 0
        for size in (bytes((126 | flag, 0, 1)), bytes((127 | flag, *[0] * 7, 1))):
            raw = Raw(self.server)
            raw.send(frame(BINARY, b"a", size=size, mask=self.mask))
            self.assertEqual(raw.upper.received, b"a")

    # 2: pings and pongs

    def test_2_pings(self) -> None:
        """
        Pings of 0 to 125 bytes are answered with their payload.
        """
        for payload in (b"", b"hello", bytes(range(125))):
            self.passes((PING, payload), data=b"", answers=[(PONG, payload)])

    def test_2_longPing(self) -> None:
        """
        A ping of 126 bytes is refused.
        """
        self.fails((PING, bytes(126)), status=1002)

    def test_2_pongs(self) -> None:
        """
        Unasked pongs are ignored, between pings too.
        """
        self.passes((PONG, b""), (PONG, b"unasked"), data=b"")
        self.passes(
            (PONG, b"unasked"), (PING, b"ping"), data=b"", answers=[(PONG, b"ping")]
        )

    def test_2_manyPings(self) -> None:
        """
        Ten pings are answered in their order.
        """
        payloads = [b"%d" % number for number in range(10)]
        self.passes(
            *[(PING, each) for each in payloads],
            data=b"",
            answers=[(PONG, each) for each in payloads],
        )

    # 3: reserved bits

    def test_3_reservedBits(self) -> None:
        """
        Each of the reserved bits is refused, in frames of data and of control: no
        extension is negotiated.
        """
        for reserved in range(1, 8):
            for opcode in (BINARY, CONT, PING, CLOSE):
                self.fails(
                    (BINARY, b"before"),
                    frame(opcode, b"", reserved=reserved, mask=self.mask),
                    status=1002,
                    data=b"before",
                )

    # 4: opcodes

    def test_4_opcodes(self) -> None:
        """
        Each of the reserved opcodes is refused.
        """
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            for payload in (b"", b"payload"):
                self.fails(
                    (BINARY, b"before"),
                    frame(opcode, payload, mask=self.mask),
                    status=1002,
                    data=b"before",
                )

    # 5: fragmentation

    def test_5_fragments(self) -> None:
        """
        Fragments are bytes like any others, and need not wait for the last one.
        """
        self.passes((BINARY, b"a", False), (CONT, b"b"), data=b"ab")
        self.passes((BINARY, b"a", False), (CONT, b"b", False), data=b"ab")
        self.passes((BINARY, b"", False), (CONT, b"", False), (CONT, b"b"), data=b"b")

    def test_5_control(self) -> None:
        """
        Control frames between fragments are answered at once; in fragments themselves
        they are refused.
        """
        self.passes(
            (BINARY, b"a", False),
            (PING, b"ping"),
            (CONT, b"b"),
            data=b"ab",
            answers=[(PONG, b"ping")],
        )
        for opcode in (PING, PONG, CLOSE):
            self.fails((opcode, b"", False), status=1002)

    def test_5_noBeginning(self) -> None:
        """
        A continuation of nothing is refused.
        """
        self.fails((CONT, b"a"), status=1002)
        self.fails((CONT, b"a", False), status=1002)
        self.fails((BINARY, b"a"), (CONT, b"b"), status=1002, data=b"a")

    def test_5_afterMessage(self) -> None:
        """
        A continuation after a whole message is refused, whether another message follows
        or not, and the message before is delivered.
        """
        whole = (BINARY, b"a", False), (CONT, b"b")
        for fin in (True, False):
            self.fails(*whole, (CONT, b"c", fin), *whole, status=1002, data=b"ab")
            self.fails((CONT, b"c", fin), *whole, status=1002)

    def test_5_pingsBetween(self) -> None:
        """
        Pings between five fragments are answered before the message ends.
        """
        raw = Raw(self.server)
        raw.frames((BINARY, b"1", False), (CONT, b"2", False), (PING, b"first"))
        self.assertEqual(raw.answers, [(PONG, True, b"first")])
        raw.frames((CONT, b"3", False), (CONT, b"4", False), (PING, b"second"))
        raw.frames((CONT, b"5"))
        self.assertEqual(raw.upper.received, b"12345")
        self.assertEqual(raw.answers[1:], [(PONG, True, b"second")])

    def test_5_noEnd(self) -> None:
        """
        A new message before the end of the last one is refused.
        """
        self.fails((BINARY, b"a", False), (BINARY, b"b"), status=1002, data=b"a")

    # 6 has only text.

    # 7: close

    def test_7_close(self) -> None:
        """
        A close frame is echoed, and what follows it is ignored.
        """
        for payload in (b"", b"\x03\xe8", b"\x03\xe8" + b"a" * 123):
            for raw in self.raws():
                raw.frames(
                    (BINARY, b"a"), (CLOSE, payload), (PING, b""), (BINARY, b"b")
                )
                self.assertEqual(raw.upper.received, b"a")
                self.assertEqual(raw.answers, [(CLOSE, True, payload)])
                raw.peer.transport.loseConnection()
                raw.pump.flush()
                (reason,) = raw.upper.reasons
                self.assertTrue(reason.check(ConnectionDone))

    def test_7_payloads(self) -> None:
        """
        A close frame with one byte, with a text that is no UTF-8, or with too long a
        text is refused.
        """
        self.fails((CLOSE, b"\x03"), status=1002)
        self.fails((CLOSE, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), status=1007)
        self.fails((CLOSE, b"\x03\xe8" + b"a" * 124), status=1002)

    def test_7_codes(self) -> None:
        """
        The codes that may be sent are echoed; others are refused.
        """
        for number in (*range(1000, 1004), *range(1007, 1012), 3000, 4999):
            raw = Raw(self.server)
            raw.frames((CLOSE, number.to_bytes(2, "big")))
            self.assertEqual(raw.answers, [(CLOSE, True, number.to_bytes(2, "big"))])
        for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000):
            self.fails((CLOSE, number.to_bytes(2, "big")), status=1002)

    def test_7_insideMessage(self) -> None:
        """
        A close frame in the middle of a message is an end like any other: the borders
        of messages mean nothing.
        """
        normal = b"\x03\xe8"
        for raw in self.raws():
            raw.frames((BINARY, b"a", False), (CONT, b"b", False))
            raw.frames((CLOSE, normal), (CONT, b"c"))
            self.assertEqual(raw.upper.received, b"ab")
            self.assertEqual(raw.answers, [(CLOSE, True, normal)])
            raw.peer.transport.loseConnection()
            raw.pump.flush()
            (reason,) = raw.upper.reasons
            self.assertTrue(reason.check(ConnectionDone))
        self.fails(
            (BINARY, b"a", False), (CONT, b"b"), (CONT, b"c"), status=1002, data=b"ab"
        )

    # 9: limits

    def test_9_sizes(self) -> None:
        """
        Frames of any size are accepted, and what has come of them is delivered; a size
        with the first bit set is refused.
        """
        data = bytes(range(256)) * 1024
        for size in (len(data), len(data) - 1, FRAME + 1, FRAME):
            raw = Raw(self.server)
            raw.frames((BINARY, data[:size], False), (CONT, data[:size]), (PING, b"p"))
            self.assertEqual(raw.upper.received, 2 * data[:size])
            self.assertEqual(raw.answers, [(PONG, True, b"p")])
        flag = 0x80 if self.server else 0
        for size in (1 << 30, (1 << 63) - 1):
            encoded = bytes((127 | flag,)) + size.to_bytes(8, "big")
            raw = Raw(self.server)
            raw.send(frame(BINARY, b"begin", size=encoded, mask=self.mask))
            self.assertEqual(raw.upper.received, b"begin")
            for _ in range(10):
                raw.send(bytes(1 << 20))
            self.assertEqual(len(raw.upper.received), 5 + 10 * (1 << 20))
            self.assertEqual(len(raw.layer._protocol.reader.buffer), 0)
        for size in (1 << 63, (1 << 64) - 1):
            encoded = bytes((127 | flag,)) + size.to_bytes(8, "big")
            self.fails(frame(BINARY, b"", size=encoded, mask=self.mask), status=1009)

    def test_9_chops(self) -> None:
        """
        A message of 128 KiB arrives in pieces of 64 to 2048 bytes.
        """
        data = bytes(range(256)) * 512
        whole = frame(BINARY, data, mask=self.mask)
        for chop in (64, 128, 256, 512, 1024, 2048):
            raw = Raw(self.server)
            for begin in range(0, len(whole), chop):
                raw.layer.dataReceived(whole[begin : begin + chop])
            self.assertTrue(raw.upper.received == data, chop)

    def test_9_roundTrips(self) -> None:
        """
        A thousand small messages are taken, one after the other.  A thousand empty ones
        are not: that is a limit of ours.
        """
        raw = Raw(self.server)
        small = frame(BINARY, b"a", mask=self.mask)
        for _ in range(1000):
            raw.layer.dataReceived(small)
        self.assertEqual(len(raw.upper.received), 1000)
        self.assertEqual(raw.upper.reasons, [])
        for raw in self.raws():
            raw.frames(*[(BINARY, b"")] * 1000)
            self.assertEqual(code(raw.answers[-1][2]), 1008)
            raw.clock.advance(CLOSING_TIME)

    # 10: fragments of one size

    def test_10_fragmentSize(self) -> None:
        """
        A message of 64 KiB in fragments of 1300 bytes.
        """
        data = b"*" * 65536
        pieces = [data[begin : begin + 1300] for begin in range(0, len(data), 1300)]
        first, *others = pieces
        raw = Raw(self.server)
        raw.frames(
            (BINARY, first, False),
            *[(CONT, each, False) for each in others[:-1]],
            (CONT, others[-1]),
        )
        self.assertEqual(raw.upper.received, data)
        self.assertEqual(raw.upper.reasons, [])

    # Masks have no cases of their own in the suite.

    def test_masking(self) -> None:
        """
        A frame that is not masked as its sender has to is refused.
        """
        wrong = None if self.server else b"\x37\xfa\x21\x3d"
        self.fails(
            (BINARY, b"before"),
            frame(BINARY, b"data", mask=wrong),
            status=1002,
            data=b"before",
        )


class ServerTests(_Cases, SynchronousTestCase):
    """
    Our server, and a client by hand.
    """

    server = True


class ClientTests(_Cases, SynchronousTestCase):
    """
    Our client, and a server by hand.
    """

    server = False
