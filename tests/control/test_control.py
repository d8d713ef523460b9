# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.control}.
"""

from __future__ import annotations

import os
import tempfile
from shutil import rmtree
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twisted_libp2p.control.client import ask
from twisted_libp2p.control.messages import LineBuffer, parseMessage, writeMessage
from twisted_libp2p.control.server import MAX_REQUEST, REQUEST_TIME, ControlService
from twisted_libp2p.errors import ConfigurationError, InvalidInput


class MessageTests(SynchronousTestCase):
    """
    Lines of JSON.
    """

    def test_pieces(self) -> None:
        """
        A line may come byte by byte.
        """
        buffer, line = LineBuffer(), writeMessage({"command": "status"})
        for byte in line[:-1]:
            self.assertIsNone(buffer.feed(bytes([byte])))
        self.assertEqual(buffer.feed(line[-1:]), {"command": "status"})

    def test_wrong(self) -> None:
        """
        Anything else is refused, also before it ends.
        """
        for line in (b"", b"x", b"[]", b"3", b"\xff", b"[" * 5000):
            self.assertRaises(InvalidInput, parseMessage, line)
        self.assertRaises(InvalidInput, LineBuffer(9).feed, b"x" * 10)


class ServerTests(SynchronousTestCase):
    """
    The service, without a socket.
    """

    protocol: Any

    def answer(self, data: bytes, user: int | None = None) -> dict[str, Any]:
        """
        Return the answer to a request.
        """
        transport = self.connect(user)
        self.protocol.dataReceived(data)
        self.assertTrue(transport.disconnecting)
        return parseMessage(transport.value())

    def connect(self, user: int | None = None) -> StringTransport:
        """
        Connect as a user.
        """
        self.clock = Clock()
        service = ControlService(
            self.clock,
            "unused",
            {"status": lambda request: {"is": request["of"]}, "fail": self.fail_},
            lambda transport: user,
        )
        factory: Any = service.makeFactory()
        self.protocol = factory.buildProtocol(None)
        transport = StringTransport()
        self.protocol.makeConnection(transport)
        self.addCleanup(self.protocol.connectionLost)
        return transport

    def fail_(self, request: dict[str, Any]) -> dict[str, Any]:
        """
        Fail.
        """
        raise ConfigurationError("no")

    def test_answer(self) -> None:
        """
        A command is answered; an error is a line.
        """
        for request, answer in (
            (b'{"command": "status", "of": 3}', {"is": 3}),
            (b'{"command": "fail"}', {"error": "no"}),
            (
                b'{"command": "x"}',
                {"error": "no command 'x': choose from fail, status"},
            ),
            (b"x", {"error": "not a line of JSON"}),
        ):
            self.assertEqual(self.answer(request + b"\n"), answer)
        self.assertIn("over", self.answer(b"x" * (MAX_REQUEST + 1))["error"])

    def test_otherUser(self) -> None:
        """
        Another user gets nothing; the superuser does.
        """
        transport = self.connect(os.geteuid() + 1)
        self.assertTrue(transport.disconnecting)
        self.protocol.dataReceived(b'{"command": "status", "of": 3}\n')
        self.assertEqual(
            parseMessage(transport.value()),
            {"error": "another user may not ask this node"},
        )
        self.assertEqual(self.answer(b'{"command":"status","of":1}\n', 0), {"is": 1})

    def test_late(self) -> None:
        """
        A program that does not ask is cut off.
        """
        transport = self.connect()
        self.clock.advance(REQUEST_TIME)
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SocketTests(TestCase):
    """
    A real socket.
    """

    timeout = 600

    async def test_ask(self) -> None:
        """
        Only its user may connect; a client gets the answer, or one line.
        """
        # A path of a socket is short.
        folder = tempfile.mkdtemp()
        self.addCleanup(rmtree, folder)
        path = os.path.join(folder, "s")
        with self.assertRaises(ConfigurationError) as caught:
            await ask(reactor, path, "status")
        self.assertIn(f"no node answers at {path}", str(caught.exception))
        service = ControlService(reactor, path, {"status": lambda request: request})
        service.startService()
        self.addCleanup(service.stopService)
        await service.whenListening()
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        answer = await ask(reactor, path, "status", of=3)
        self.assertEqual(answer, {"command": "status", "of": 3})
        with self.assertRaises(ConfigurationError) as caught:
            await ask(reactor, path, "nothing")
        self.assertIn("choose from status", str(caught.exception))
        with self.assertRaises(ConfigurationError) as caught:
            await ask(reactor, path + 200 * "s", "status")
        self.assertIn("a shorter --data", str(caught.exception))
