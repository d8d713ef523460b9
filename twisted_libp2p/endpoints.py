# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Endpoints, and the strings that name them::

    libp2p:/ip4/0.0.0.0/tcp/4001:protocol=/echo/1.0.0            to listen
    libp2p:/ip4/1.2.3.4/tcp/4001/p2p/12D3Koo...:protocol=/echo/1.0.0   to connect

The multiaddr comes first; colons in it may be escaped, and need not be.  The
other arguments are keywords:

  - C{protocol}: the protocol id to serve, or to ask for; always needed.
  - C{identity}: the file of the node's private key, made if it is not there.
    Without it a listening node has another peer id with every start.
  - C{node}: the name of a node, where one process is to be several peers.

All strings of one reactor share one node, so that several protocols share one
identity and one set of connections.  A server without an address uses the
addresses on which that node listens already.

The shared node is stopped with the reactor.  Whoever needs the reactor clean
before that, such as a test, stops it: C{nodeOf(reactor).stopService()}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.node import Listener, Node

__all__ = [
    "Libp2pClientEndpoint",
    "Libp2pServerEndpoint",
    "nodeOf",
    "parseClient",
    "parseServer",
]

_nodes: dict[tuple[Any, str], Node] = {}


def nodeOf(reactor: Any, name: str = "", identity: Identity | None = None) -> Node:
    """
    Give the node that the endpoint strings of a reactor share.  It is made
    when it is first asked for, started whenever it is not running, and
    stopped with the reactor.

    @param reactor: what the node runs on.
    @param name: which node, where there are several.
    @param identity: who it is; by default somebody who lives no longer than
        the process.
    @raise ConfigurationError: the node is somebody else already.
    """
    node = _nodes.get((reactor, name))
    if node is None:
        node = _nodes[reactor, name] = Node(reactor, identity)
        reactor.addSystemEventTrigger("before", "shutdown", _stop, reactor, name)
    elif identity is not None and identity.peerID != node.peerID:
        raise ConfigurationError(
            f"the identity is {identity.peerID}, but the node"
            f" {name or 'of this reactor'} is {node.peerID} already;"
            " node=NAME gives another one"
        )
    node.startService()
    return node


def _stop(reactor: Any, name: str) -> Deferred[None]:
    return _nodes.pop((reactor, name)).stopService()


@implementer(IListeningPort)
class _Port:
    """
    A protocol, and the address that was opened for it.
    """

    def __init__(self, node: Node, port: Any, listener: Listener | None) -> None:
        self._node = node
        self._port = port
        self._listener = listener

    def startListening(self) -> None:
        """
        Nothing to do: it listens since it was made.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Serve no further stream, and accept no further connection at the
        address, unless it serves another endpoint still.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await maybeDeferred(self._port.stopListening)
        listener, self._listener = self._listener, None
        if listener is not None:
            await self._node.listeners.release(listener)

    def getHost(self) -> PeerAddress:
        """
        Give our peer id, the address on which we listen, and the protocol.
        """
        host: PeerAddress = self._port.getHost()
        if self._listener is None or not self._listener.addresses:
            return host
        return replace(host, multiaddr=self._listener.addresses[0].withoutPeer())


@implementer(IStreamServerEndpoint)
class Libp2pServerEndpoint:
    """
    Serves a protocol to libp2p peers.
    """

    def __init__(
        self,
        reactor: Any,
        address: str | Multiaddr | None,
        protocol: str,
        *,
        node: str | Node = "",
        identity: Identity | None = None,
    ) -> None:
        """
        @param reactor: what the node runs on.
        @param address: where to listen; None to use the addresses on which
            the node listens already.
        @param protocol: the protocol id to serve.
        @param node: a node, or the name of one that endpoints share.
        @param identity: who that shared one is, as for L{nodeOf}.
        """
        self._reactor = reactor
        self._address = None if address is None else Multiaddr.of(address)
        self._protocol = protocol
        self._node = node
        self._identity = identity

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Serve the protocol, and listen on the address.
        """
        return Deferred.fromCoroutine(self._listen(protocolFactory))

    async def _listen(self, protocolFactory: IProtocolFactory) -> IListeningPort:
        node = _resolve(self._reactor, self._node, self._identity)
        port = await node.listener(self._protocol).listen(protocolFactory)
        try:
            listener = (
                await node.listeners.open(self._address, shared=True)
                if self._address is not None
                else None
            )
        except BaseException:
            await maybeDeferred(port.stopListening)
            raise
        return _Port(node, port, listener)


@implementer(IStreamClientEndpoint)
class Libp2pClientEndpoint:
    """
    Opens streams to a libp2p peer.
    """

    def __init__(
        self,
        reactor: Any,
        target: str | Multiaddr | PeerID,
        protocol: str,
        *,
        node: str | Node = "",
        identity: Identity | None = None,
    ) -> None:
        """
        @param reactor: what the node runs on.
        @param target: the peer, as for L{Node.connect}.
        @param protocol: the protocol id to ask for.
        @param node: a node, or the name of one that endpoints share.
        @param identity: who that shared one is, as for L{nodeOf}.
        """
        self._reactor = reactor
        self._target = target
        self._protocol = protocol
        self._node = node
        self._identity = identity

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer if that is still to be done, and open a stream.
        """
        try:
            node = _resolve(self._reactor, self._node, self._identity)
        except ConfigurationError:
            return fail()
        return node.connector(self._target, self._protocol).connect(protocolFactory)


def _resolve(reactor: Any, node: str | Node, identity: Identity | None) -> Node:
    return node if isinstance(node, Node) else nodeOf(reactor, node, identity)


def parseServer(
    reactor: Any,
    /,
    *address: str,
    protocol: str = "",
    identity: str | None = None,
    node: str = "",
    **unknown: str,
) -> Libp2pServerEndpoint:
    """
    Understand what follows C{libp2p:} in a server's endpoint string.

    @raise ValueError: it makes no sense; the text says what would.
    """
    _check(protocol, unknown)
    # What has been split at the colons of an IPv6 address.
    text = ":".join(address)
    return Libp2pServerEndpoint(
        reactor,
        Multiaddr(text) if text else None,
        protocol,
        node=node,
        identity=_load(identity),
    )


def parseClient(
    reactor: Any,
    /,
    *address: str,
    protocol: str = "",
    identity: str | None = None,
    node: str = "",
    **unknown: str,
) -> Libp2pClientEndpoint:
    """
    Understand what follows C{libp2p:} in a client's endpoint string.

    @raise ValueError: it makes no sense; the text says what would.
    """
    _check(protocol, unknown)
    text = ":".join(address)
    if not text:
        raise ConfigurationError(
            "libp2p: needs the peer to connect to, such as"
            " libp2p:/ip4/1.2.3.4/tcp/4001/p2p/12D3Koo...:protocol=/echo/1.0.0"
        )
    return Libp2pClientEndpoint(
        reactor,
        Multiaddr(text) if text.startswith("/") else PeerID.fromText(text),
        protocol,
        node=node,
        identity=_load(identity),
    )


def _check(protocol: str, unknown: dict[str, str]) -> None:
    if unknown:
        raise ConfigurationError(
            f"libp2p: knows no {next(iter(unknown))}=; it takes an address,"
            " protocol=, identity= and node=, and an equals sign in an address"
            " is written \\="
        )
    if not protocol:
        raise ConfigurationError(
            "libp2p: needs protocol=, such as protocol=/echo/1.0.0"
        )


def _load(path: str | None) -> Identity | None:
    if path == "":
        # Mostly a variable that is not set.  A fresh key would be another peer.
        raise ConfigurationError(
            "libp2p: identity= needs the file of a key, such as identity=node.key"
        )
    return Identity.fromFile(path) if path is not None else None
