# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
twisted.protocols, twisted.spread and twisted.names over a stream.

Of Twisted 26.10.0 C{ident}, C{wire.Daytime} and the log of C{socks} mix bytes and text
over any transport, C{LimitConnectionsByPeer} and the filters of C{htb} index an
address, and C{sip} speaks over UDP only.
"""

from __future__ import annotations

import struct
from pathlib import Path
from socket import inet_aton
from typing import Any, ClassVar

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.names.authority import FileAuthority
from twisted.names.dns import A, DNSProtocol, Query, Record_A, Record_SOA, RRHeader
from twisted.names.server import DNSServerFactory
from twisted.protocols import finger, socks, wire
from twisted.protocols.amp import AMP, Command, Integer
from twisted.protocols.basic import LineReceiver, NetstringReceiver
from twisted.protocols.ftp import ConnectionLost, FTPClient, FTPFactory, FTPRealm
from twisted.protocols.memcache import MemCacheProtocol
from twisted.protocols.policies import (
    LimitTotalConnectionsFactory,
    ThrottlingFactory,
    TimeoutFactory,
    TrafficLoggingFactory,
)
from twisted.protocols.portforward import ProxyFactory
from twisted.protocols.postfix import (
    PostfixTCPMapDictServerFactory,
    PostfixTCPMapServer,
)
from twisted.python.failure import Failure
from twisted.spread.pb import PBClientFactory, PBServerFactory, Root

from tests.servers.served import ServedTestCase


class Reader(Protocol):
    """
    Keeps what it receives.

    @ivar ended: fires with all of it.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[bytes] = Deferred()
        self._size = 0
        self._waiting: Deferred[bytes] | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data
        waiting, size = self._waiting, self._size
        if waiting is not None and len(self.received) >= size:
            self._waiting = None
            taken, self.received = self.received[:size], self.received[size:]
            waiting.callback(taken)

    def take(self, size: int) -> Deferred[bytes]:
        """
        Wait for so many bytes.
        """
        self._size, self._waiting = size, Deferred()
        waiting = self._waiting
        self.dataReceived(b"")
        return waiting

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report all of it.
        """
        self.ended.callback(self.received)


class Add(Command):
    """
    Adds two numbers.
    """

    arguments: ClassVar[list[Any]] = [(b"a", Integer()), (b"b", Integer())]
    response: ClassVar[list[Any]] = [(b"total", Integer())]


class Adder(AMP):
    """
    Adds.
    """

    @Add.responder
    def add(self, a: int, b: int) -> dict[str, int]:
        """
        Add.
        """
        return {"total": a + b}


class Calculator(Root):
    """
    Adds, remotely.
    """

    def remote_add(self, a: int, b: int) -> int:
        """
        Add.
        """
        return a + b


class ProtocolTests(ServedTestCase):
    """
    Each server of these packages that speaks over a stream.
    """

    async def test_wire(self) -> None:
        """
        The servers of inetd; C{Daytime} is broken, over any transport (26.10.0).
        """
        for protocol, ends in (
            (wire.QOTD, b"An apple a day"),
            (wire.Who, b"root"),
            (wire.Time, b""),
        ):
            port = await self.server.listener("/wire/1").listen(
                Factory.forProtocol(protocol)
            )
            reader = await self.connect(Reader(), "/wire/1")
            received = await reader.ended
            self.assertTrue(received.startswith(ends) and received, protocol)
            await maybeDeferred(port.stopListening)
        await self.serve(Factory.forProtocol(wire.Echo), "/echo/1")
        echo = await self.connect(Reader(), "/echo/1")
        echo.transport.write(b"hello")
        self.assertEqual(await echo.take(5), b"hello")
        await self.serve(Factory.forProtocol(wire.Discard), "/discard/1")
        discard = await self.connect(Reader(), "/discard/1")
        discard.transport.write(b"hello")
        discard.transport.loseConnection()
        self.assertEqual(await discard.ended, b"")

    async def test_chargen(self) -> None:
        """
        A producer that never ends is asked no faster than its reader reads.
        """
        await self.serve(Factory.forProtocol(wire.Chargen))
        reader = await self.connect(Reader())
        self.assertEqual((await reader.take(1 << 20))[:4], b"@ABC")
        reader.transport.abortConnection()
        await reader.ended

    async def test_finger(self) -> None:
        """
        A question about a user.
        """
        await self.serve(Factory.forProtocol(finger.Finger))
        reader = await self.connect(Reader())
        reader.transport.write(b"ada\r\n")
        self.assertIn(b"Login: ada", await reader.ended)

    async def test_socks(self) -> None:
        """
        A way to another server.  The log is broken, over any transport (26.10.0).
        """
        port = self.listenTCP(wire.QOTD)
        await self.serve(Factory.forProtocol(socks.SOCKSv4))
        reader = await self.connect(Reader())
        reader.transport.write(
            struct.pack("!BBH", 4, 1, port) + inet_aton("127.0.0.1") + b"ada\0"
        )
        answer = await reader.ended
        self.assertEqual(answer[:2], b"\0\x5a")
        self.assertIn(b"An apple a day", answer)

    async def test_portforward(self) -> None:
        """
        A forwarded port.
        """
        port = self.listenTCP(wire.Echo)
        await self.serve(ProxyFactory("127.0.0.1", port))
        reader = await self.connect(Reader())
        reader.transport.write(bytes(1 << 20))
        self.assertEqual(await reader.take(1 << 20), bytes(1 << 20))
        reader.transport.loseConnection()
        await reader.ended

    async def test_memcache(self) -> None:
        """
        The client of memcached.
        """

        class Server(LineReceiver):
            """
            Stores nothing.
            """

            def lineReceived(self, line: bytes) -> None:
                """
                Say that it is stored.
                """
                if not line.startswith(b"set"):
                    self.sendLine(b"STORED")

        await self.serve(Factory.forProtocol(Server))
        client: Any = await self.connect(MemCacheProtocol())
        self.assertTrue(await client.set(b"key", b"value"))
        client.transport.loseConnection()

    async def test_postfix(self) -> None:
        """
        A table of postfix.  Its server never ends its timer (26.10.0), so it gets
        none.
        """
        self.patch(PostfixTCPMapServer, "timeout", None)
        await self.serve(PostfixTCPMapDictServerFactory({b"ada": b"lovelace"}))
        reader = await self.connect(Reader())
        reader.transport.write(b"get ada\n")
        self.assertEqual(await reader.take(13), b"200 lovelace\n")
        reader.transport.loseConnection()
        await reader.ended

    async def test_netstrings(self) -> None:
        """
        Messages with their lengths.
        """

        class Server(NetstringReceiver):
            """
            Sends back what it receives.
            """

            def stringReceived(self, string: bytes) -> None:
                """
                Send it back.
                """
                self.sendString(string)

        await self.serve(Factory.forProtocol(Server))
        reader = await self.connect(Reader())
        reader.transport.write(b"5:hello,")
        self.assertEqual(await reader.take(8), b"5:hello,")
        reader.transport.loseConnection()
        await reader.ended

    async def test_policies(self) -> None:
        """
        Twisted's wrappers of factories.
        """
        limited: Any = LimitTotalConnectionsFactory()
        limited.connectionLimit = 1
        limited.wrappedFactory = Factory.forProtocol(wire.Echo)
        limited.protocol = wire.Echo
        throttled = ThrottlingFactory(limited, readLimit=1 << 20, writeLimit=1 << 20)
        logged = Path(self.mktemp())
        logging = TrafficLoggingFactory(throttled, str(logged))
        await self.serve(TimeoutFactory(logging, 10))
        reader = await self.connect(Reader())
        reader.transport.write(b"hello")
        self.assertEqual(await reader.take(5), b"hello")
        reader.transport.loseConnection()
        await reader.ended

    async def test_ftp(self) -> None:
        """
        The commands of FTP.  Files need connections of their own, beside the
        stream, to a host that is a peer id; the client gives up at once.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "file").write_bytes(b"content")
        realm = FTPRealm(str(folder))
        factory: Any = FTPFactory(Portal(realm, [AllowAnonymousAccess()]))
        factory.timeOut = None
        await self.serve(factory)
        client: Any = await self.connect(FTPClient())
        self.assertEqual(await client.pwd(), ['257 "/"'])
        reader = Reader()
        with self.assertRaises(ConnectionLost):
            await client.list("/", reader)
        client.transport.loseConnection()

    async def test_names(self) -> None:
        """
        A question to a name server that needs TCP.
        """

        class Zone(FileAuthority):
            """
            Has one name.
            """

            def loadFile(self, filename: str) -> None:
                """
                Have it.
                """
                zone: Any = self
                soa = Record_SOA(b"example.com", b"ada.example.com")
                zone.records = {b"example.com": [Record_A("192.0.2.1", ttl=60), soa]}
                zone.soa = b"example.com", soa

        await self.serve(DNSServerFactory(authorities=[Zone("none")]))

        class Controller:
            """
            What the protocol of a client reports to.
            """

            def connectionMade(self, protocol: object) -> None:
                """
                Nothing to do.
                """

            def connectionLost(self, protocol: object) -> None:
                """
                Nothing to do.
                """

            def messageReceived(self, message: object, protocol: object) -> None:
                """
                Nothing to do.
                """

        client: Any = await self.connect(DNSProtocol(Controller()))
        message: Any = await client.query([Query(b"example.com", A)])
        answers: list[RRHeader] = message.answers
        payload: Any = answers[0].payload
        self.assertEqual(payload.dottedQuad(), "192.0.2.1")
        client.transport.loseConnection()

    async def test_amp(self) -> None:
        """
        A command and its answer.
        """
        await self.serve(Factory.forProtocol(Adder))
        client: Any = await self.connect(AMP())
        self.assertEqual(await client.callRemote(Add, a=2, b=3), {"total": 5})
        client.transport.loseConnection()

    async def test_perspectiveBroker(self) -> None:
        """
        A method of a remote object.
        """
        await self.serve(PBServerFactory(Calculator()))
        factory = PBClientFactory()
        await self.connectFactory(factory)
        root = await factory.getRootObject()
        self.assertEqual(await root.callRemote("add", 2, 3), 5)
        factory.disconnect()
