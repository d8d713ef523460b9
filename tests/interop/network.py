# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Networks of nodes of ours and of servers of others that take requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor

from tests.interop.process import ForeignPeer, Line
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node

__all__ = ["Command", "Foreign", "Network"]

#: Returns the command that starts a peer.
Command = Callable[[str], list[str]]


class Foreign:
    """
    A server of another implementation, which answers each request by a line.

    @ivar peerID: its peer id.
    @ivar address: its address.
    @ivar hello: its first line.
    """

    def __init__(self, process: ForeignPeer, hello: Line) -> None:
        self._process = process
        self.peerID = PeerID.of(hello["peerId"])
        self.address: str = hello["addrs"][0]
        self.hello = hello

    async def event(self, name: str, **facts: Any) -> Line:
        """
        Wait for an event, which may have come already.
        """
        return await self._process.event(name, **facts)

    async def ask(self, *words: str) -> Any:
        """
        Send a request, and return its result.
        """
        self._process.transport.write(" ".join(words).encode() + b"\n")
        line = await self._process.line(lambda line: "ok" in line)
        assert line["ok"], (words, line, self._process.errors[-2000:])
        return line["result"]

    async def stop(self) -> None:
        """
        End it.
        """
        await self._process.stop()


class Network:
    """
    The peers of a test.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._nodes: list[Node] = []
        self._foreign: list[ForeignPeer] = []

    async def node(self, *services: Any, **options: Any) -> Node:
        """
        Start a node of ours.
        """
        listen = ["/ip4/127.0.0.1/tcp/0"]
        node = Node(reactor, listen=listen, services=services, **options)
        self._nodes.append(node)
        node.startService()
        await node.whenListening()
        return node

    async def foreign(self, name: str, *arguments: str) -> Foreign:
        """
        Start a server of another implementation.
        """
        process = ForeignPeer.start(reactor, self._command(name), *arguments)
        self._foreign.append(process)
        return Foreign(process, await process.line(lambda line: "addrs" in line))

    async def stop(self) -> None:
        """
        End all peers.
        """
        for node in self._nodes:
            await node.stopService()
        for process in self._foreign:
            await process.stop()
