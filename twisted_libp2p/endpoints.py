# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Endpoints, and the strings that name them::

    libp2p:/ip4/0.0.0.0/tcp/4001:protocol=/echo/1.0.0            to listen
    libp2p:/ip4/1.2.3.4/tcp/4001/p2p/12D3Koo...:protocol=/echo/1.0.0   to connect

The multiaddr comes first; its colons may be escaped, but need not be.  The other
arguments are keywords:

  - C{protocol}: the protocol id to serve, or to open streams for; always needed.
  - C{identity}: the file of the node's private key, which is made if it does not
    exist.  Without it a listening node has a new peer id after every start.
  - C{node}: the name of a node, if one process is to be several peers.
  - C{bootstrap}: a peer of a network that the node joins, as for C{--bootstrap}.  It
    finds other peers by their ids alone (C{libp2p:12D3Koo...:protocol=/echo/1.0.0}), is
    found by its own, and is reached through relays if it cannot be dialed.
  - C{dht}: the prefix of the DHT of that network; C{/ipfs} by default.

All strings of one reactor share one node, so that several protocols share one
identity and one set of connections.  A server without an address uses the addresses on
which that node listens already.

The shared node is stopped with the reactor.  A test that needs a clean reactor before
that stops the node itself: C{nodeOf(reactor).stopService()}.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from twisted_libp2p.joining import Joining
from twisted_libp2p.node import Listener, Node

__all__ = [
    "Libp2pClientEndpoint",
    "Libp2pServerEndpoint",
    "nodeOf",
    "parseClient",
    "parseServer",
]


@dataclass(slots=True)
class _Shared:
    """
    A node that endpoint strings share.

    @ivar joining: the network that it has joined; None so far.
    """

    node: Node
    joining: Joining | None = None


_nodes: dict[tuple[Any, str], _Shared] = {}


def nodeOf(reactor: Any, name: str = "", identity: Identity | None = None) -> Node:
    """
    Return the node that the endpoint strings of a reactor share.  It is made at the
    first call, started by each call if it does not run, and stopped with the reactor.

    @param reactor: the reactor that the node runs on.
    @param name: the name of the node, if there are several.
    @param identity: its private key; by default a key that lives as long as the
        process.
    @raise ConfigurationError: the node has another identity already.
    """
    shared = _nodes.get((reactor, name))
    if shared is None:
        shared = _nodes[reactor, name] = _Shared(Node(reactor, identity))
        reactor.addSystemEventTrigger("before", "shutdown", _stop, reactor, name)
    elif identity is not None and identity.peerID != shared.node.peerID:
        raise ConfigurationError(
            f"the identity is {identity.peerID}, but the node"
            f" {name or 'of this reactor'} is {shared.node.peerID} already;"
            " node=NAME makes another node"
        )
    shared.node.startService()
    return shared.node


def _stop(reactor: Any, name: str) -> Deferred[None]:
    return _nodes.pop((reactor, name)).node.stopService()


@implementer(IListeningPort)
class _Port:
    """
    A served protocol, and the listener that was opened for it.
    """

    def __init__(self, node: Node, port: Any, listener: Listener | None) -> None:
        self._node = node
        self._port = port
        self._listener = listener

    def startListening(self) -> None:
        """
        Do nothing: it listens since it was made.
        """

    def stopListening(self) -> Deferred[None]:
        """
        Serve no further stream, and accept no further connection at the address,
        unless another endpoint still uses it.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await maybeDeferred(self._port.stopListening)
        listener, self._listener = self._listener, None
        if listener is not None:
            await self._node.listeners.release(listener)

    def getHost(self) -> PeerAddress:
        """
        Return our peer id, the address on which we listen, and the protocol.
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
        joining: Joining | None = None,
    ) -> None:
        """
        @param reactor: the reactor that the node runs on.
        @param address: the address to listen on; None for the addresses on which
            the node listens already.
        @param protocol: the protocol id to serve.
        @param node: a node, or the name of one that endpoints share.
        @param identity: the private key of a shared node, as for L{nodeOf}.
        @param joining: the network that a shared node joins.
        """
        self._reactor = reactor
        self._address = None if address is None else Multiaddr.of(address)
        self._protocol = protocol
        self._node = node
        self._identity = identity
        self._joining = joining

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
            await _join(self._reactor, self._node, self._joining)
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
        joining: Joining | None = None,
    ) -> None:
        """
        @param reactor: the reactor that the node runs on.
        @param target: the peer, as for L{Node.connect}.
        @param protocol: the protocol id to open streams for.
        @param node: a node, or the name of one that endpoints share.
        @param identity: the private key of a shared node, as for L{nodeOf}.
        @param joining: the network that a shared node joins.
        """
        self._reactor = reactor
        self._target = target
        self._protocol = protocol
        self._node = node
        self._identity = identity
        self._joining = joining

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer, unless that is done, and open a stream.
        """
        try:
            node = _resolve(self._reactor, self._node, self._identity)
        except ConfigurationError:
            return fail()
        connector = node.connector(self._target, self._protocol)
        if self._joining is None:
            return connector.connect(protocolFactory)
        joined = Deferred.fromCoroutine(_join(self._reactor, self._node, self._joining))
        return joined.addCallback(lambda _: connector.connect(protocolFactory))


def _resolve(reactor: Any, node: str | Node, identity: Identity | None) -> Node:
    return node if isinstance(node, Node) else nodeOf(reactor, node, identity)


async def _join(reactor: Any, name: str | Node, joining: Joining | None) -> None:
    """
    Let a shared node join a network, once.

    @raise ConfigurationError: the node has joined another one.
    """
    if joining is None or isinstance(name, Node):
        return
    shared = _nodes[reactor, name]
    if shared.joining is None:
        shared.joining = joining
        await joining.join(shared.node)
    elif joining != shared.joining:
        raise ConfigurationError(
            f"the node {name or 'of this reactor'} has joined the network of"
            f" bootstrap={shared.joining.bootstrap} and dht={shared.joining.prefix}"
            " already; node=NAME makes another node"
        )


def parseServer(
    reactor: Any,
    /,
    *address: str,
    protocol: str = "",
    identity: str | None = None,
    node: str = "",
    bootstrap: str | None = None,
    dht: str | None = None,
    **unknown: str,
) -> Libp2pServerEndpoint:
    """
    Parse the description of a server after C{libp2p:}.

    @raise ValueError: it is malformed; the text says what would be right.
    """
    _check(protocol, unknown)
    # Twisted has split the description at the colons of an IPv6 address.
    text = ":".join(address)
    return Libp2pServerEndpoint(
        reactor,
        Multiaddr(text) if text else None,
        protocol,
        node=node,
        identity=_load(identity),
        joining=Joining.of(bootstrap, dht),
    )


def parseClient(
    reactor: Any,
    /,
    *address: str,
    protocol: str = "",
    identity: str | None = None,
    node: str = "",
    bootstrap: str | None = None,
    dht: str | None = None,
    **unknown: str,
) -> Libp2pClientEndpoint:
    """
    Parse the description of a client after C{libp2p:}.

    @raise ValueError: it is malformed; the text says what would be right.
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
        joining=Joining.of(bootstrap, dht),
    )


def _check(protocol: str, unknown: dict[str, str]) -> None:
    if unknown:
        raise ConfigurationError(
            f"libp2p: knows no {next(iter(unknown))}=; it takes an address,"
            " protocol=, identity=, node=, bootstrap= and dht=, and an equals sign in"
            " an address is written \\="
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
