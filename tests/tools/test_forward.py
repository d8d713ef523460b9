# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.forward}: the program.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.test_main import MODULE, NetworkTestCase
from twisted_libp2p.identity import Identity
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO

FORWARD = (*MODULE, "forward", "--data", "data")


@implementer(IHalfCloseableProtocol)
class Caller(Protocol):
    """
    Sends its data and its end.

    @ivar received: the received data.
    @ivar over: fires when both directions have ended.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Send.
        """
        self.transport.write(b"hello")
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Store the data.
        """
        self.received += data

    def readConnectionLost(self) -> None:
        """
        Close.
        """
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: the end was sent.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self.over.callback(None)


class OptionTests(SynchronousTestCase):
    """
    The command line.
    """

    def refused(self, *arguments: str) -> str:
        """
        Return the error of a command line.
        """
        return str(
            self.assertRaises(UsageError, ToolOptions().parseOptions, list(arguments))
        )

    def test_wrong(self) -> None:
        """
        A mistake is answered with the right form.
        """
        self.assertIn("PROTOCOL is missing", self.refused("forward", "tcp:1", "x"))
        self.assertIn("PROTOCOL is missing", self.refused("forward", "--stdio", "x"))
        self.assertIn(
            "'' is no protocol", self.refused("forward", "-d", "none", "tcp:1", "x", "")
        )
        self.assertIn(
            "--stdio has no LOCAL: leave out 'tcp:1'",
            self.refused("forward", "--stdio", "tcp:1", "x", "/y"),
        )
        for option, word in (("--rate", "500k"), ("--idle", "number of seconds")):
            error = self.refused("forward", option, "0", "tcp:1", "x", "/y")
            self.assertIn(word, error)

    def test_limits(self) -> None:
        """
        The tunnel has the limits that were given.
        """
        options = ToolOptions()
        limits = ("--rate", "2M", "--idle", "60")
        options.parseOptions(["forward", "-d", "none", *limits, "tcp:1", "x", "/y"])
        traffic = options.subOptions.traffic(Clock())
        self.assertEqual(traffic.throttle.perSecond, 2_000_000)
        self.assertEqual(traffic.idle.seconds, 60)


class ForwardTests(NetworkTestCase):
    """
    The program, and a node with an echo.
    """

    async def test_forward(self) -> None:
        """
        A port is the echo of the peer until the program is interrupted; then it
        reports how much went through.
        """
        program = self.start(*FORWARD, "tcp:0", self.address, ECHO)
        port = int(await program.says(r"127\.0\.0\.1:(\d+) is /echo/1\.0\.0 of"))
        await program.says(r"is (connected) directly")
        caller = Caller()
        await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(
            Factory.forProtocol(lambda: caller)
        )
        await caller.over
        self.assertEqual(caller.received, b"hello")
        self.assertEqual(await program.stop("INT"), 130)
        self.assertIn(b"1 connections, 5 bytes sent, 5 received", program.err)
        self.assertTrue(program.err.endswith(b" received\n"), program.err)

    async def test_busy(self) -> None:
        """
        A port that another program has is a line.
        """
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            local = f"tcp:{busy.getsockname()[1]}"
            code, _, error = await self.execute(*FORWARD, local, self.address, ECHO)
        self.assertEqual(code, 1)
        self.assertRegex(error, r"\Alibp2p: Couldn't listen .*\n\Z")

    async def test_stdio(self) -> None:
        """
        Stdin and stdout are a stream.
        """
        program = self.start(*FORWARD, "--stdio", self.address, ECHO)
        program.transport.write(b"hello")
        program.transport.closeStdin()
        self.assertEqual(await program.ends(), 0, program.err)
        self.assertEqual(program.out, b"hello")

    async def test_book(self) -> None:
        """
        A malformed file of paired peers is a line; so is a name that is not in it.
        """
        (self.folder / "data").mkdir()
        for text, word in (("x y\n", "data/peers, line 1"), ("", "libp2p accept")):
            (self.folder / "data" / "peers").write_text(text)
            code, _, error = await self.execute(*FORWARD, "tcp:0", "hmoe", ECHO)
            self.assertEqual(code, 1)
            self.assertIn(word, error)
            self.assertEqual(error.count("\n"), 1)

    async def test_unknown(self) -> None:
        """
        A peer id alone needs somebody to ask; an address needs an id.
        """
        peer = str(Identity.generate().peerID)
        for target, word in ((peer, "--bootstrap"), (self.bare, "/p2p/")):
            code, _, error = await self.execute(*FORWARD, "tcp:0", target, ECHO)
            self.assertEqual(code, 1)
            self.assertIn(word, error)
            self.assertEqual(error.count("\n"), 1)
