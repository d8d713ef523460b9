# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of C{twist libp2p --drain}: a program that lets its streams end.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.processes import TWIST, Program, ProgramTestCase
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID


class Echoed(Protocol):
    """
    Sends words, and waits for each of them.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Wait for nothing yet.
        """
        self.waiting: Deferred[bytes] | None = None
        self.lost: Deferred[None] = Deferred()

    def say(self, word: bytes) -> Deferred[bytes]:
        """
        Send a word.

        @return: fires with the first bytes that come back.
        """
        self.waiting = Deferred()
        self.transport.write(word)
        return self.waiting

    def dataReceived(self, data: bytes) -> None:
        """
        Report the bytes.
        """
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self.lost.callback(None)


class DrainTests(ProgramTestCase):
    """
    A program that is asked to end while it serves a stream.
    """

    async def serving(self, listen: str) -> tuple[Program, Node, str, Any]:
        """
        Start a program, and open a stream to it.

        @return: the program, a client, the address of the program, and the stream.
        """
        program = self.start(
            *TWIST, "--log-format=text", "libp2p", "--drain=300", "--echo", "-l", listen
        )
        address = await program.says(r"listening on (/ip4/127\.0\.0\.1/\S+/p2p/\w+)")
        client = Node(reactor)
        client.startService()
        self.addCleanup(client.stopService)
        await client.identify(address)
        stream: Any = await client.connector(address, PROTOCOL_ID).connect(
            Factory.forProtocol(Echoed)
        )
        self.assertEqual(await stream.say(b"one"), b"one")
        return program, client, address, stream

    async def test_tcp(self) -> None:
        """
        It ends when the stream has ended; until then nobody else gets in, and its
        peers know that it has no addresses.
        """
        await self.drained("/ip4/127.0.0.1/tcp/0")

    async def test_quic(self) -> None:
        """
        Over QUIC, whose connections need the socket that is listened on, too.
        """
        await self.drained("/ip4/127.0.0.1/udp/0/quic-v1")

    async def drained(self, listen: str) -> None:
        """
        Let a program drain.
        """
        program, client, address, stream = await self.serving(listen)
        withdrawn = client.events.next(
            AddressesChanged, lambda event: event.peer != client.peerID
        )
        ended = program.stop()
        self.assertEqual((await withdrawn).addresses, ())
        with self.assertRaises(DialFailed):
            await client.connect(address, DialOptions(fresh=True, timeout=0.5))
        self.assertEqual(await stream.say(b"two"), b"two")
        self.assertFalse(ended.called)
        stream.transport.loseConnection()
        self.assertIn(await ended, (0, -15))
        self.assertIn(b"SIGTERM: draining for up to 300 s", program.out + program.err)
        self.assertNotIn(b"Traceback", program.out + program.err)

    async def test_twice(self) -> None:
        """
        A second signal ends it at once.
        """
        program, _, _, stream = await self.serving("/ip4/127.0.0.1/tcp/0")
        program.transport.signalProcess("TERM")
        await program.says(r"(draining \d+ connections)")
        self.assertEqual(await stream.say(b"two"), b"two")
        self.assertIn(await program.stop(), (0, -15))
        await stream.lost
        self.assertNotIn(b"Traceback", program.out + program.err)
