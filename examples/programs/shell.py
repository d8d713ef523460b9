# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
SSH and a web site of a peer, without ports of their own, and a client of both:

    python shell.py serve LISTEN PASSWORD
    python shell.py run ADDRESS PASSWORD COMMAND       python shell.py get ADDRESS PATH
"""

import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer  # type: ignore[import-untyped]

from twisted_libp2p import Identity, Node, PeerAddress
from twisted_libp2p.web import Agent, WebService, readSome


class Page(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        return f"hello, {PeerAddress.of(request).peerID}\n".encode()


class Exec(SSHSession):
    conn: Any

    def request_exec(self, data: bytes) -> int:
        peer = PeerAddress.of(self.conn.transport.transport).peerID
        self.write(b"%s asked for %s\n" % (str(peer).encode(), data[4:]))
        self.loseConnection()
        return 1


@implementer(IRealm)
class Realm:
    def requestAvatar(self, name: bytes, mind: object, *interfaces: Any) -> Any:
        user = ConchUser()
        user.channelLookup[b"session"] = Exec
        return interfaces[0], user, lambda: None


async def serve(reactor: Any, listen: str, password: str) -> None:
    factory: Any = SSHFactory()
    realm: Any = Realm()
    users: Any = InMemoryUsernamePasswordDatabaseDontUse(ada=password.encode())
    key = Key(Ed25519PrivateKey.generate())
    factory.publicKeys = {b"ssh-ed25519": key.public()}
    factory.privateKeys = {b"ssh-ed25519": key}
    factory.portal = Portal(realm, [users])
    async with Node(reactor, Identity.fromFile("shell.key"), listen) as node:
        node.serve("/ssh/2.0", factory)
        node.add(WebService(Page()))
        print("listening on", node.addresses[0], flush=True)
        await node.whenStopped()


class Auth(SSHUserAuthClient):
    transport: Any

    def getPassword(self, prompt: Any = None) -> Deferred[bytes]:
        return succeed(self.transport.password)


class Client(SSHClientTransport):
    def __init__(self, password: str, command: str) -> None:
        self.password, self.command = password.encode(), command.encode()
        self.done: Deferred[None] = Deferred()

    def verifyHostKey(self, key: bytes, fingerprint: str) -> Deferred[bool]:
        return succeed(True)  # the peer has proven its id

    def connectionSecure(self) -> None:
        self.requestService(Auth(b"ada", Commands()))

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.done.callback(None)


class Commands(SSHConnection):
    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.openChannel(Output(localWindow=2**20, localMaxPacket=2**15))


class Output(SSHChannel):
    conn: Any
    name = b"session"

    def channelOpen(self, data: bytes) -> None:
        self.conn.sendRequest(self, b"exec", NS(self.conn.transport.command))

    def dataReceived(self, data: bytes) -> None:
        print(data.decode(), end="")

    def closed(self) -> None:
        self.conn.transport.loseConnection()


async def run(reactor: Any, address: str, *words: str) -> None:
    async with Node(reactor) as node:
        client = await node.openStream(address, "/ssh/2.0", lambda: Client(*words))
        await client.done


async def get(reactor: Any, address: str, path: str) -> None:
    async with Node(reactor) as node:
        uri = f"multiaddr:{address}/http-path{path}".encode()
        response = await Agent(node).request(b"GET", uri)
        print(response.code, (await readSome(response, 2**20)).decode(), end="")


if __name__ == "__main__":
    tasks: dict[str, Any] = {"serve": serve, "run": run, "get": get}
    react(tasks[sys.argv[1]], sys.argv[2:])
