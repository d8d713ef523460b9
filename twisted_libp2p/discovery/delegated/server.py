# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A server of delegated routing, as a resource of C{twisted.web}.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.discovery.delegated.records import (
    MAX_RECORDS,
    Record,
    writeRecord,
)
from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost
from twisted_libp2p.pacing import addTimeout

__all__ = ["RoutingResource"]

#: Seconds for a lookup.
LOOKUP_TIME: Final = 10.0

#: Maximum number of lookups at once; one more gets the status 503.
MAX_LOOKUPS: Final = 64

#: Maximum length of a peer id in a path, in characters.
MAX_NAME: Final = 256

_LINES: Final = b"application/x-ndjson"

# Seconds for which an answer may be cached: without and with a result.
_EMPTY, _FULL = 15, 300

Finder = Callable[[PeerID], Awaitable[Sequence[Multiaddr]]]


class RoutingResource(Resource):
    """
    Answers C{/routing/v1/peers/PEER}: its parent is the root of a site::

        root = Resource()
        root.putChild(b"routing", RoutingResource(node, node.routing.findPeer))
        TCP4ServerEndpoint(reactor, 8190).listen(Site(root))

    Known addresses come from the peerstore, others from the routings of the node.  Only
    addresses that a public peer may name are served.
    """

    def __init__(
        self, host: IHost, find: Finder, origin: Origin = Origin.PUBLIC
    ) -> None:
        """
        Serve the peers of a node.

        @param host: the node.
        @param find: looks up a peer of which nothing is known.
        @param origin: the place of the clients; C{Origin.NETWORK} for a server of a
            private network, whose addresses are served too then.
        """
        super().__init__()
        version = Resource()
        self.putChild(b"v1", version)
        version.putChild(b"peers", _Peers(host, find, origin))


class _Peers(Resource):
    """
    The peers.
    """

    def __init__(self, host: IHost, find: Finder, origin: Origin) -> None:
        super().__init__()
        self._host = host
        self._find = find
        self._origin = origin
        self._lookups = 0

    def getChild(self, path: bytes, request: Request) -> Resource:
        """
        Return the resource of a peer.
        """
        return _Peer(self, path)

    def answer(self, request: Request, text: bytes) -> Any:
        """
        Look up a peer, and answer a request.

        @param text: the peer id, in any of its forms.
        """
        request.setHeader(b"Access-Control-Allow-Origin", b"*")
        request.setHeader(b"Vary", b"Accept")
        try:
            if len(text) > MAX_NAME:
                raise InvalidPeerID("a peer id of so many characters")
            peer = PeerID.fromText(text.decode("ascii"))
        except (InvalidPeerID, UnicodeDecodeError):
            return _refuse(request, http.BAD_REQUEST, b"this is not a peer id")
        if self._lookups >= MAX_LOOKUPS:
            request.setHeader(b"Retry-After", b"10")
            return _refuse(request, http.SERVICE_UNAVAILABLE, b"too many lookups")
        self._lookups += 1
        looking = Deferred.fromCoroutine(self._look(peer))
        addTimeout(looking, LOOKUP_TIME, self._host.clock)
        looking.addBoth(self._found, request, peer)
        # A client that has gone needs no answer.
        request.notifyFinish().addErrback(lambda _: looking.cancel())
        return NOT_DONE_YET

    async def _look(self, peer: PeerID) -> Sequence[Multiaddr]:
        if peer == self._host.peerID:
            return self._host.ownAddresses.dialable()
        return self._host.peerstore.addresses(peer) or await self._find(peer)

    def _found(self, result: Any, request: Request, peer: PeerID) -> None:
        self._lookups -= 1
        if isinstance(result, Failure) and result.check(CancelledError):
            return
        addresses: Iterable[Multiaddr] = () if isinstance(result, Failure) else result
        served = [
            each.withoutPeer()
            for each in addresses
            if self._origin.refusal(each) is None
        ]
        records = [Record(peer, tuple(served[:MAX_RECORDS]))] if served else []
        age = _FULL if records else _EMPTY
        request.setHeader(b"Cache-Control", f"public, max-age={age}".encode())
        written = [writeRecord(each) for each in records]
        accepted = request.getHeader(b"accept") or b""
        if _LINES in accepted and b"application/json" not in accepted:
            request.setHeader(b"Content-Type", _LINES)
            for each in written:
                request.write(json.dumps(each).encode() + b"\n")
        else:
            request.setHeader(b"Content-Type", b"application/json")
            request.write(json.dumps({"Peers": written}).encode())
        request.finish()


class _Peer(Resource):
    """
    A peer.
    """

    isLeaf = True

    def __init__(self, peers: _Peers, text: bytes) -> None:
        super().__init__()
        self._peers = peers
        self._text = text

    def render_GET(self, request: Request) -> Any:
        """
        Answer a request.
        """
        return self._peers.answer(request, self._text)


def _refuse(request: Request, code: int, reason: bytes) -> bytes:
    """
    Answer with an error.
    """
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain")
    return reason + b"\n"
