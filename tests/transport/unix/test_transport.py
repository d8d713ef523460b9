# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of Unix sockets, apart from the suite of all transports.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from tests.transport.unix.folder import SocketFolder
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import (
    ConfigurationError,
    DialFailed,
    Libp2pError,
    UnsupportedAddress,
)
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.transport.unix import UnixSockets, UnixTransport, pathOf
from twisted_libp2p.transport.unix.transport import MAX_PATH


class UnixTransportTests(SocketFolder):
    """
    The files of sockets, and their errors.
    """

    async def listen(self, name: str = "node", **options: Any) -> Any:
        """
        Listen on a socket of the folder; the port is closed after the test.
        """
        transport = UnixTransport(reactor, **options)
        port = await transport.serverEndpoint(self.socket(name)).listen(Factory())
        self.addCleanup(port.stopListening)
        return port

    def node(self, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        node = Node(reactor, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    def leave(self, name: str) -> None:
        """
        Leave a socket, as a process does that was killed.
        """
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.path(name))

    # The file

    async def test_file(self) -> None:
        """
        The file is for its user alone, and is gone when the port is closed.
        """
        port = await self.listen()
        found = os.stat(self.path("node"))
        self.assertTrue(stat.S_ISSOCK(found.st_mode))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o600)
        await port.stopListening()
        self.assertEqual(os.listdir(self.folder), [])

    async def test_access(self) -> None:
        """
        The file gets the mode and the owner that were asked for.
        """
        await self.listen(mode=0o660, owner=(os.getuid(), os.getgid()))
        found = os.stat(self.path("node"))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o660)
        self.assertEqual((found.st_uid, found.st_gid), (os.getuid(), os.getgid()))

    async def test_wrongOwner(self) -> None:
        """
        If the owner cannot be set, nothing stays.
        """

        def refuse(*args: object) -> None:
            raise PermissionError(1, "not permitted")

        self.patch(os, "chown", refuse)
        with self.assertRaises(CannotListenError) as caught:
            await self.listen(owner=(0, 0))
        self.assertIn("not permitted", str(caught.exception))
        self.assertEqual(os.listdir(self.folder), [])

    async def test_stale(self) -> None:
        """
        The file of a process that has ended is replaced.
        """
        self.leave("node")
        port = await self.listen()
        self.assertEqual(pathOf(port.getHost()), self.socket("node"))

    async def test_live(self) -> None:
        """
        The socket of a running process is refused with one line, and goes on.
        """
        await self.listen()
        with self.assertRaises(CannotListenError) as caught:
            await self.listen()
        self.assertEqual(
            str(caught.exception),
            f"Couldn't listen on unix:{self.path('node')}: another process listens"
            " there.",
        )
        self.assertTrue(os.path.exists(self.path("node")))

    async def test_full(self) -> None:
        """
        A socket that accepts nothing now is that of a running process.
        """
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(self.path("node"))
            busy.listen(0)
            clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
            for client in clients:
                self.addCleanup(client.close)
                client.setblocking(False)
                if client.connect_ex(self.path("node")):
                    break
            with self.assertRaises(CannotListenError):
                await self.listen()

    async def test_otherFile(self) -> None:
        """
        Another kind of file is left alone.
        """
        with open(self.path("node"), "w") as other:
            other.write("precious")
        with self.assertRaises(CannotListenError) as caught:
            await self.listen()
        self.assertIn("another kind of file", str(caught.exception))
        self.assertTrue(os.path.exists(self.path("node")))

    async def test_noFolder(self) -> None:
        """
        A folder that does not exist is one line.
        """
        with self.assertRaises(CannotListenError) as caught:
            await self.listen("no/node")
        self.assertIn("No such file or directory", str(caught.exception))

    async def test_successor(self) -> None:
        """
        A port that is closed leaves the file of its successor.
        """
        port = await self.listen()
        os.unlink(self.path("node"))
        self.leave("node")
        await port.stopListening()
        self.assertTrue(os.path.exists(self.path("node")))

    async def test_unremovable(self) -> None:
        """
        A port whose file may not be removed is closed all the same, and the next one
        replaces the file.
        """
        port = await self.listen()

        def refuse(path: object) -> None:
            raise PermissionError(13, "denied")

        with self.patched(refuse):
            await port.stopListening()
        self.assertTrue(os.path.exists(self.path("node")))
        await self.listen()

    def patched(self, unlink: Any) -> Any:
        """
        Replace C{os.unlink} for a while.
        """
        patch = self.patch(os, "unlink", unlink)

        class While:
            def __enter__(self) -> None:
                """
                Do nothing: it is replaced.
                """

            def __exit__(self, *args: object) -> None:
                """
                Put the original back.
                """
                patch.restore()

        return While()

    def test_long(self) -> None:
        """
        A path that is too long is one line, in both directions.
        """
        room = MAX_PATH - len(os.fsencode(self.path("")))
        transport = UnixTransport(reactor)
        transport.serverEndpoint(self.socket("x" * room))
        long = self.socket("x" * (room + 1))
        for endpoint in (transport.serverEndpoint, transport.clientEndpoint):
            error = self.assertRaises(UnsupportedAddress, endpoint, long)
            self.assertIn(f"at most {MAX_PATH} bytes", str(error))

    # Addresses

    def test_pathOf(self) -> None:
        """
        Only absolute paths are addresses.
        """
        for name in (None, b"", b"relative", b"\0abstract", b"/a\xff"):
            self.assertIsNone(pathOf(UNIXAddress(name)))
        self.assertIsNone(pathOf(IPv4Address("TCP", "192.0.2.1", 1)))
        self.assertEqual(str(pathOf(UNIXAddress(b"/a%2Fb/c"))), "/unix/%2Fa%252Fb%2Fc")

    # Nodes

    async def test_node(self) -> None:
        """
        A node listens on a path and is dialed there, with and without its id; events
        have the path on both sides, and it is the first address that is tried.
        """
        server = self.node(listen=[self.socket("node"), "/ip4/127.0.0.1/tcp/0"])
        opened: list[OpenedConn] = []
        server.events.subscribe(OpenedConn, opened.append)
        await server.whenListening()
        here = self.socket("node")
        self.assertEqual(server.addresses[0], here.withPeer(server.peerID))
        for target in (
            here,
            here.withPeer(server.peerID),
            f"/unix{self.path('node')}/p2p/{server.peerID}",
        ):
            near = await self.node().connect(target)
            self.assertEqual(near.remoteAddress, here)
            self.assertIsNone(near.localAddress)
            self.assertEqual(near.transport, "unix")
            self.assertEqual(near.remotePeer, server.peerID)
        for event in opened:
            self.assertEqual(event.remoteAddress, here)
            self.assertEqual(event.connection.localAddress, here)
        client = self.node()
        client.peerstore.addAddresses(
            server.peerID, [each.withoutPeer() for each in reversed(server.addresses)]
        )
        near = await client.connect(server.peerID)
        self.assertEqual(near.remoteAddress, here)
        # The path is no address of the client.
        self.assertIsNone((await client.identify(server.peerID)).observedAddress)

    async def test_gater(self) -> None:
        """
        Gaters judge the path, in both directions.
        """
        here = self.socket("node")
        refusing = ListGater(blocked=[str(here)])
        server = self.node(listen=[here], gater=refusing)
        await server.whenListening()
        with self.assertRaises(DialFailed):
            await self.node().connect(here)
        with self.assertRaises(DialFailed) as caught:
            await self.node(gater=refusing).connect(here)
        self.assertIn("gater", str(caught.exception))

    async def test_limits(self) -> None:
        """
        The connections of a socket are counted.
        """
        here = self.socket("node")
        limits = Limits.scaled(connections=1)
        server = self.node(listen=[here], limits=limits)
        await server.whenListening()
        await self.node().identify(here)
        self.assertEqual(server.connections.limiter.system.used.connections, 1)
        # The first connection is kept, as it is in use.
        with self.assertRaises(Libp2pError):
            await self.node().identify(here)
        self.assertEqual(len(server.connections), 1)

    def test_provider(self) -> None:
        """
        A provider reads texts; a wrong one is a line.
        """
        Node(reactor, transports=[UnixSockets("660", f"{os.getuid()}")])
        for wrong in (UnixSockets("rw"), UnixSockets("660", "nobody here")):
            self.assertRaises(ConfigurationError, Node, reactor, transports=[wrong])
