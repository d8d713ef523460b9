# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The services by which a person reaches his machine: tunnels, the door, web pages, files,
pairing, and the control socket; and what can be asked about them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IPullProducer,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.web.resource import Resource
from zope.interface import implementer

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.control.commands import commandsOf
from twisted_libp2p.control.server import ControlService
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.forward import Traffic
from twisted_libp2p.protocols.idle import IdleRule
from twisted_libp2p.transfer.receiving import Receiver
from twisted_libp2p.transfer.sending import Sender
from twisted_libp2p.tunnel.door.places import Places
from twisted_libp2p.tunnel.door.service import Door
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.web.service import WebService
from twisted_libp2p.web.site import PeerSite

__all__ = ["FLOOD", "IDLE", "LISTED", "LISTED_WEB", "MUTE", "Product"]

loop: Any = reactor

#: Protocols whose servers send without an end, send nothing, and serve nobody.
FLOOD, MUTE, LISTED = "/flood/1.0.0", "/mute/1.0.0", "/listed/1.0.0"

#: Web pages that nobody may see.
LISTED_WEB = "/listed-web/1.0.0"

#: Seconds without a byte after which a stream of a tunnel is ended.
IDLE = 3.0


@implementer(IPullProducer)
class _Fountain(Protocol):
    """
    Sends as much as is read.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Begin.
        """
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        Send some more.
        """
        self.transport.write(bytes(1 << 16))

    def stopProducing(self) -> None:
        """
        End.
        """


@implementer(IHalfCloseableProtocol)
class _Mute(Protocol):
    """
    Sends nothing, and ends nothing for longer than a tunnel waits.
    """

    transport: Any

    def readConnectionLost(self) -> None:
        """
        Stay.  A transport that neither reads nor writes does not notice its end.
        """
        loop.callLater(2 * IDLE, self.transport.abortConnection)

    def writeConnectionLost(self) -> None:
        """
        Stay.
        """


class _Page(Resource):
    """
    A page.

    @ivar seen: the number of requests.
    """

    isLeaf = True
    seen = 0

    def render(self, request: Any) -> bytes:
        """
        Answer.
        """
        self.seen += 1
        return b"page"


@implementer(IStreamClientEndpoint)
class _Backend:
    """
    A server of this machine.

    @ivar reached: the number of connections to it.
    """

    def __init__(self, protocol: type[Protocol]) -> None:
        port = loop.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1")
        self._endpoint = TCP4ClientEndpoint(loop, "127.0.0.1", port.getHost().port)
        self.reached = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        self.reached += 1
        return self._endpoint.connect(protocolFactory)


class Product:
    """
    These services of a node.

    @ivar commands: the questions.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._folder = mkdtemp()
        self._permitted: set[PeerID] = set()
        self._received: list[str] = []
        self._listed = _Backend(_Mute)
        self._served = [
            self._serve(FLOOD, _Backend(_Fountain)),
            self._serve(MUTE, _Backend(_Mute)),
            ServedPort(LISTED, self._listed, allow=lambda peer: False),
        ]
        self._inbox = os.path.join(self._folder, "inbox")
        os.mkdir(self._inbox)
        receiver = Receiver(
            self._inbox,
            lambda peer, offer: None if peer in self._permitted else "not permitted",
            lambda peer, offer, name: self._received.append(name),
        )
        self._pairing = PairingService(PeerBook(os.path.join(self._folder, "peers")))
        self._socket = os.path.join(self._folder, "control.sock")
        self._control = ControlService(
            loop, self._socket, commandsOf(node, self._pairing)
        )
        self._door = Door(loop, "tcp:0", Places(lambda name: None))
        for each in (*self._served, receiver, self._pairing, self._door):
            node.add(each)
        node.add(WebService(_Page()))
        self._private = _Page()
        node.registry.register(LISTED_WEB, PeerSite(self._private, loop), allow=[])
        self._control.startService()
        loop.addSystemEventTrigger("after", "shutdown", rmtree, self._folder)
        self.commands: list[Callable[..., Any]] = [
            self.doors,
            self.inbox,
            self.invite,
            self.paired,
            self.permit,
            self.send,
            self.tunnels,
        ]

    @staticmethod
    def _serve(protocol: str, backend: _Backend) -> ServedPort:
        return ServedPort(protocol, backend, traffic=Traffic(idle=IdleRule(loop, IDLE)))

    async def doors(self) -> dict[str, Any]:
        """
        Report where the programs of this machine are served.
        """
        port: Any = await self._door.whenListening()
        await self._control.whenListening()
        return {"door": port.getHost().port, "control": self._socket}

    async def tunnels(self) -> dict[str, Any]:
        """
        Count the streams of tunnels, and the connections for unlisted peers.
        """
        return {
            "open": sum(each.traffic.open for each in self._served),
            "door": self._door.traffic.open,
            "listed": self._listed.reached + self._private.seen,
        }

    async def invite(self) -> dict[str, Any]:
        """
        Make a ticket.
        """
        return {"secret": self._pairing.invite().secret.hex()}

    async def paired(self) -> dict[str, Any]:
        """
        Name the paired peers.
        """
        return {"peers": [str(each.peer) for each in self._pairing.book]}

    async def permit(self, peer: str) -> dict[str, Any]:
        """
        Let a peer send files.
        """
        self._permitted.add(PeerID.fromText(peer))
        return {}

    async def inbox(self) -> dict[str, Any]:
        """
        Name the files that have come, and those that are not complete.
        """
        names = sorted(os.listdir(self._inbox))
        beside = sorted(os.listdir(self._folder))
        return {"received": self._received, "names": names, "beside": beside}

    async def send(self, target: str) -> dict[str, Any]:
        """
        Send a file of 8 MiB to a peer.
        """
        path = os.path.join(self._folder, "film")
        with open(path, "wb") as file:
            file.truncate(8 << 20)
        began = loop.seconds()
        sender = Sender(path, lambda done: None)
        try:
            await sender.prepare(loop)
            await sender.send(await self._node.connect(target))
        except Exception as error:
            return {"error": str(error), "seconds": loop.seconds() - began}
        return {"error": "", "seconds": loop.seconds() - began}
