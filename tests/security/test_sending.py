# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.wrapper}: written bytes.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.error import ConnectionDone

from tests.security.wires import (
    LARGE,
    SECURED,
    SMALL,
    Prompt,
    WrapperTestCase,
)


class WriteTests(WrapperTestCase):
    """
    From the application to the transport.
    """

    def setUp(self) -> None:
        """
        Finish a handshake.
        """
        super().setUp()
        self.secure()

    def test_turn(self) -> None:
        """
        Small writes leave together when the turn of the reactor is over.
        """
        self.wrapper.write(b"one,")
        self.wrapper.writeSequence([b"two,", b"three"])
        self.assertEqual(self.transport.writes, [])
        self.clock.advance(0)
        self.assertEqual(self.transport.writes, [b"[one,two,three]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_duringDataReceived(self) -> None:
        """
        Small writes in answer to a read leave together at its end, without the
        reactor.
        """

        def answer(data: bytes) -> None:
            self.wrapper.write(b"one,")
            self.wrapper.write(b"two")
            self.assertEqual(self.transport.writes, [])

        self.application.onData = answer
        self.wrapper.dataReceived(b"[data]")
        self.assertEqual(self.transport.writes, [b"[one,two]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_large(self) -> None:
        """
        A large write leaves at once, behind what was written before.
        """
        self.wrapper.write(SMALL)
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.writes, [b"[" + SMALL + LARGE + b"]"])
        self.wrapper.write(SMALL)
        self.clock.advance(0)
        self.assertEqual(self.transport.writes[1:], [b"[" + SMALL + b"]"])

    def test_manySmall(self) -> None:
        """
        However many small writes there are, no more is held back than makes
        one large.
        """
        for _ in range(100):
            self.wrapper.write(b"x" * 1000)
        self.assertEqual(
            [len(write) for write in self.transport.writes], [33002, 33002, 33002]
        )
        self.clock.advance(0)
        self.assertEqual(len(self.transport.writes[-1]), 1002)

    def test_nothing(self) -> None:
        """
        Nothing is nothing.
        """
        self.wrapper.write(b"")
        self.wrapper.writeSequence([])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.transport.writes, [])

    def test_notBytes(self) -> None:
        """
        What is not bytes is refused, as by Twisted's own transports.
        """
        for data in ("text", bytearray(b"data"), None):
            self.assertRaises(TypeError, self.wrapper.write, data)
        self.assertRaises(TypeError, self.wrapper.writeSequence, ["text"])

    def test_afterTheEnd(self) -> None:
        """
        What is written after the end is dropped.
        """
        self.wrapper.write(SMALL)
        self.lose(ConnectionDone())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wrapper.write(SMALL)
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.writes, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PromptTests(WrapperTestCase):
    """
    A socket is tried at once, not in the reactor's next turn.
    """

    wire = Prompt
    transport: Prompt

    def test_handshake(self) -> None:
        """
        The answer to a message of the handshake leaves with its read.
        """
        self.initiator = False
        self.begin()
        self.wrapper.dataReceived(b"hello.")
        self.assertEqual(self.transport.sent, [b"hello?"])

    def test_lastMessage(self) -> None:
        """
        So does the last one, with what the application says at once.
        """
        self.application.onMade = lambda: self.wrapper.write(b"first")
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(self.transport.sent, [b"hello.", b"hello![first]"])

    def test_agreedMuxer(self) -> None:
        """
        If the muxer is agreed, the initiator's last message does not wait for the
        application: the responder works while the application starts.
        """
        self.secured = replace(SECURED, muxer="/yamux/1.0.0")
        self.begin()
        sent: list[bytes] = []

        def made() -> None:
            sent.extend(self.transport.sent)
            self.wrapper.write(b"first")

        self.application.onMade = made
        self.wrapper.dataReceived(b"hello?")
        self.assertEqual(sent, [b"hello.", b"hello!"])
        self.assertEqual(self.transport.sent[2:], [b"[first]"])

    def test_writeNow(self) -> None:
        """
        What is to be sent now leaves with all earlier writes, and takes no timer.
        """
        self.secure()
        del self.transport.sent[:]
        self.wrapper.writeNow(b"one")
        self.assertEqual(self.transport.sent, [b"[one]"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wrapper.write(b"two")
        self.wrapper.writeNow(b"three")
        self.assertEqual(self.transport.sent[1:], [b"[twothree]"])
        self.wrapper.abortConnection()
        self.wrapper.writeNow(b"four")
        self.assertEqual(self.transport.sent[2:], [])

    def test_writeNowDuringRead(self) -> None:
        """
        During a read, it leaves at the end of the read.
        """
        self.secure()
        del self.transport.sent[:]

        def echo(data: bytes) -> None:
            self.wrapper.writeNow(data)
            self.assertEqual(self.transport.sent, [])
            self.wrapper.writeNow(data)

        self.application.onData = echo
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.sent, [b"[oneone]"])

    def test_read(self) -> None:
        """
        What is written during a read leaves at the end of it.
        """
        self.secure()
        del self.transport.sent[:]

        def echo(data: bytes) -> None:
            self.wrapper.write(data)
            self.assertEqual(self.transport.sent, [])

        self.application.onData = echo
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.sent, [b"[one]"])

    def test_turn(self) -> None:
        """
        What is written outside of one leaves at the end of the turn.
        """
        self.secure()
        del self.transport.sent[:]
        self.wrapper.write(b"one")
        self.wrapper.write(b"two")
        self.clock.advance(0)
        self.assertEqual(self.transport.sent, [b"[onetwo]"])

    def test_large(self) -> None:
        """
        An application that writes until it is paused is not helped to go on for
        ever: large writes wait for the reactor.
        """
        self.secure()
        del self.transport.sent[:]
        self.wrapper.write(LARGE)
        self.assertEqual(self.transport.sent, [])
        self.assertEqual(self.transport.writes, [b"[" + LARGE + b"]"])

    def test_nothing(self) -> None:
        """
        The transport is not asked to send after a read that leads to no writing.
        """
        self.secure()
        tried: list[object] = []
        self.patch(self.transport, "flush", lambda: tried.append(None))
        self.patch(self.transport, "writeNow", tried.append)
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(tried, [])

    def test_closing(self) -> None:
        """
        To end a transport that is closing is left to the reactor.
        """
        self.secure()
        del self.transport.sent[:]

        def bye(data: bytes) -> None:
            self.wrapper.write(b"bye")
            self.wrapper.loseConnection()

        self.application.onData = bye
        self.wrapper.dataReceived(b"[one]")
        self.assertEqual(self.transport.sent, [])
        self.assertEqual(self.transport.writes, [b"[bye]"])
