# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
twisted.conch over a stream.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.interfaces import IConchUser, ISession, ISFTPServer
from twisted.conch.manhole import ColoredManhole
from twisted.conch.manhole_ssh import ConchFactory, TerminalRealm
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.filetransfer import FileTransferClient, FileTransferServer
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import (
    SSHSession,
    packRequest_pty_req,
)
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.conch.telnet import StatefulTelnetProtocol, TelnetTransport
from twisted.conch.unix import SSHSessionForUnixConchUser, UnixConchUser
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest
from zope.interface import implementer

from tests.servers.served import ServedTestCase


class Client(SSHClientTransport):
    """
    An SSH client that trusts any host key: the stream has proven the peer.

    @ivar ready: fires with the connection when the user is let in.
    """

    def __init__(self) -> None:
        self.ready: Deferred[Connection] = Deferred()

    def verifyHostKey(self, hostKey: bytes, fingerprint: str) -> Deferred[Any]:
        """
        Trust it.
        """
        return succeed(1)

    def connectionSecure(self) -> None:
        """
        Log in.
        """
        self.requestService(Password(b"ada", Connection(self.ready)))


class Password(SSHUserAuthClient):
    """
    Logs in by a password.
    """

    def getPassword(self, prompt: str | None = None) -> Deferred[bytes]:
        """
        Return it.
        """
        return succeed(b"sesame")

    def getPublicKey(self) -> None:
        """
        There is none.
        """


class Connection(SSHConnection):
    """
    The connection of a user that was let in.
    """

    def __init__(self, ready: Deferred[Connection]) -> None:
        super().__init__()
        self._ready = ready

    def serviceStarted(self) -> None:
        """
        Report it.
        """
        super().serviceStarted()
        self._ready.callback(self)


class Channel(SSHChannel):
    """
    A session.

    @ivar opened: fires when it is open.
    @ivar ended: fires with all that it has received.
    @ivar awaited: fires as soon as C{wanted} is in what it has received.
    """

    name = b"session"

    def __init__(self, wanted: bytes = b"") -> None:
        super().__init__()
        self.opened: Deferred[None] = Deferred()
        self.ended: Deferred[bytes] = Deferred()
        self.awaited: Deferred[None] = Deferred()
        self.wanted = wanted
        self.received = b""

    def channelOpen(self, data: bytes) -> None:
        """
        Report it.
        """
        self.opened.callback(None)

    def openFailed(self, reason: Any) -> None:
        """
        Report why.
        """
        self.opened.errback(Failure(reason))

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data
        if self.wanted and self.wanted in self.received and not self.awaited.called:
            self.awaited.callback(None)

    def closed(self) -> None:
        """
        Report what was received.
        """
        self.ended.callback(self.received)


class User(UnixConchUser):
    """
    The user of this process.

    @cvar ids: the user and the group to change to; None without a change.
    """

    ids: tuple[int | None, int | None] = (None, None)

    def __init__(self, name: Any) -> None:
        ConchUser.__init__(self)
        self.username = name
        self.listeners = {}
        self.channelLookup[b"session"] = SSHSession
        self.subsystemLookup[b"sftp"] = FileTransferServer

    def getUserGroupId(self) -> Any:
        """
        Return the ids.
        """
        return self.ids

    def getHomeDir(self) -> str:
        """
        Return a folder that is there.
        """
        return "/"

    def getShell(self) -> str:
        """
        Return a shell that is there.
        """
        return "/bin/sh"


registerAdapter(SSHSessionForUnixConchUser, User, ISession)


@implementer(ISFTPServer)
class Files:  # type: ignore[misc]
    """
    Knows the name of a file.
    """

    def __init__(self, avatar: object) -> None:
        pass

    def gotVersion(self, version: int, extensions: Any) -> dict[bytes, bytes]:
        """
        Has no extensions.
        """
        return {}

    def realPath(self, path: bytes) -> bytes:
        """
        Return the name.
        """
        return b"/real/" + path


registerAdapter(Files, User, ISFTPServer)


@implementer(IRealm)
class Realm:
    """
    Lets in everybody as the user of this process.
    """

    def requestAvatar(self, name: object, mind: object, *interfaces: Any) -> Any:
        """
        Return that user.
        """
        return IConchUser, User(name), lambda: None


class ConchTests(ServedTestCase):
    """
    Shells, files and consoles of a peer.
    """

    async def login(self, factory: Any, realm: Any) -> Any:
        """
        Serve SSH, and log in.
        """
        key = Key(Ed25519PrivateKey.generate())
        factory.publicKeys = {key.sshType(): key.public()}
        factory.privateKeys = {key.sshType(): key}
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        checker.addUser(b"ada", b"sesame")
        factory.portal = Portal(realm, [checker])
        await self.serve(factory)
        client = await self.connect(Client())
        connection = await client.ready
        return connection

    async def session(self, connection: Connection, wanted: bytes = b"") -> Channel:
        """
        Open a session.
        """
        channel = Channel(wanted)
        connection.openChannel(channel)
        await channel.opened
        return channel

    async def test_exec(self) -> None:
        """
        C{twistd conch} runs a command, whose environment shows the peer.
        """
        connection = await self.login(SSHFactory(), Realm())
        channel = await self.session(connection)
        await connection.sendRequest(
            channel, b"exec", NS(b"echo $SSH_CLIENT; cat"), wantReply=True
        )
        channel.write(b"to cat")
        connection.sendEOF(channel)
        shown, _, rest = (await channel.ended).partition(b"\n")
        self.assertEqual(shown.split()[0], self.guest.encode())
        self.assertEqual(rest, b"to cat")
        connection.transport.loseConnection()

    async def test_shell(self) -> None:
        """
        C{twistd conch} runs a shell on a terminal.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root may give a terminal to a user")
        self.patch(User, "ids", (os.getuid(), os.getgid()))
        connection = await self.login(SSHFactory(), Realm())
        channel = await self.session(connection)
        terminal = packRequest_pty_req(b"dumb", (24, 80, 0, 0), b"")
        await connection.sendRequest(channel, b"pty-req", terminal, wantReply=True)
        await connection.sendRequest(channel, b"shell", b"", wantReply=True)
        channel.write(b"echo from $SSH_CLIENT; exit\n")
        self.assertIn(f"from {self.guest}".encode(), await channel.ended)
        connection.transport.loseConnection()

    async def test_sftp(self) -> None:
        """
        Files are asked for.
        """
        connection = await self.login(SSHFactory(), Realm())
        channel = await self.session(connection)
        await connection.sendRequest(channel, b"subsystem", NS(b"sftp"), wantReply=True)
        client = FileTransferClient()
        client.makeConnection(channel)
        channel.dataReceived = client.dataReceived  # type: ignore[method-assign]
        self.assertEqual(await client.realPath(b"file"), "/real/file")
        connection.transport.loseConnection()

    async def test_manhole(self) -> None:
        """
        A console of Python runs what is typed.
        """
        realm: Any = TerminalRealm()
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        factory = ConchFactory(Portal(realm, [checker]))

        realm.chainedProtocolFactory = lambda: ServerProtocol(ColoredManhole, {})
        connection = await self.login(factory, realm)
        channel = await self.session(connection, b"15241578750190521")
        terminal = packRequest_pty_req(b"vt102", (24, 80, 0, 0), b"")
        await connection.sendRequest(channel, b"pty-req", terminal, wantReply=True)
        await connection.sendRequest(channel, b"shell", b"", wantReply=True)
        channel.write(b"print(123456789 ** 2)\r")
        await channel.awaited
        connection.transport.loseConnection()

    async def test_telnet(self) -> None:
        """
        Lines by telnet.
        """

        class Echo(StatefulTelnetProtocol):
            """
            Answers one line, and ends.
            """

            transport: Any

            def lineReceived(self, line: bytes) -> None:
                """
                Answer.
                """
                self.transport.write(line.upper() + b"\n")
                self.transport.loseConnection()

        class Caller(LineReceiver):
            """
            Keeps the answer.
            """

            def __init__(self) -> None:
                self.answer: Deferred[bytes] = Deferred()

            def lineReceived(self, line: bytes) -> None:
                """
                Keep it.
                """
                self.answer.callback(line)

        await self.serve(Factory.forProtocol(lambda: TelnetTransport(Echo)))
        caller = await self.connect(Caller())
        caller.sendLine(b"hello")
        self.assertEqual(await caller.answer, b"HELLO")
