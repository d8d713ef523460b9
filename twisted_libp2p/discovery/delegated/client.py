# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A routing that asks a server over HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from twisted_libp2p import __version__
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.discovery.delegated.records import AnswerReader, Record
from twisted_libp2p.errors import ConfigurationError, InvalidInput, NotFound
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService, IPeerRouting
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.wire.multibase import encode

__all__ = ["DelegatedRouting"]

#: Seconds for an answer, all of it.
ANSWER_TIME: Final = 30.0

_PATH: Final = "/routing/v1"
_LINES: Final = "application/x-ndjson"

# The prefix of a CID of raw data, version 1.
_RAW: Final = b"\x01\x55"


@implementer(IHostService, IPeerRouting)
class DelegatedRouting(Service):
    """
    Asks a server for peers and providers:
    C{node.add(DelegatedRouting("https://delegated-ipfs.dev"))}.

    The server is believed as little as any peer: addresses that it may not name are
    left out, and the handshake proves who a peer is.  It learns which peers and which
    content this node looks for.

    @ivar url: the URL of the server.
    """

    def __init__(self, url: str, agent: IAgent | None = None) -> None:
        """
        Take a server.

        @param url: its URL, without the path C{/routing/v1}; C{https}, or C{http} for a
            server of this machine or of a private network, by its IP address.
        @param agent: makes the requests; by default one of Twisted, which follows no
            redirect.
        @raise ConfigurationError: it is not such a URL.
        """
        self.url = url.rstrip("/").removesuffix(_PATH)
        self.origin = _origin(self.url)
        self._agent = agent
        self.setName(f"http {self.url}")

    def attach(self, host: IHost) -> None:
        """
        Take the node.

        @raise ConfigurationError: the node dials through a proxy, which the requests
            would go around.
        """
        if host.proxy is not None:
            raise ConfigurationError(
                f"{self.url}: the requests would go around the proxy {host.proxy}"
            )
        self._host = host
        if self._agent is None:
            # An idle connection would outlive the node.
            pool = HTTPConnectionPool(host.reactor, persistent=False)
            self._agent = Agent(host.reactor, connectTimeout=10.0, pool=pool)

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Ask for the addresses of a peer.

        @return: fires with them; the dialer judges them.  Fails with L{NotFound} if the
            server has no proper answer.
        """
        path = f"/peers/{peer.toCID('base36')}"
        return Deferred.fromCoroutine(self._addresses(peer, path))

    async def _addresses(self, peer: PeerID, path: str) -> Sequence[Multiaddr]:
        records = await self._get(path, "Peers")
        return [
            address
            for each in records
            if each.peer == peer
            for address in each.addresses
        ]

    def findProviders(
        self, key: bytes, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Ask for the providers of a key.

        @param key: the multihash.
        @param count: maximum number of peers.
        @return: fires with peers and the addresses at which they may be dialed, which
            may be none.  Fails as L{findPeer} does.
        """
        path = f"/providers/{encode('b', _RAW + key)}"
        return Deferred.fromCoroutine(self._providers(path, count))

    async def _providers(
        self, path: str, count: int
    ) -> Sequence[tuple[PeerID, Sequence[Multiaddr]]]:
        select = self._host.addressFilter.select
        return [
            (each.peer, select(self.origin, each.addresses, each.peer))
            for each in (await self._get(path, "Providers"))[:count]
            if each.peer != self._host.peerID
        ]

    async def _get(self, path: str, name: str) -> list[Record]:
        """
        Make a request.

        @param name: the name of the list in the answer.
        """
        answering = Deferred.fromCoroutine(self._request(path, name))
        addTimeout(answering, ANSWER_TIME, self._host.clock)
        try:
            return await answering
        except TimeoutError:
            reason = f"no answer within {ANSWER_TIME:g} s"
        except InvalidInput as error:
            reason = str(error)
        raise NotFound("an answer", reason=f"{self.url}: {reason}")

    async def _request(self, path: str, name: str) -> list[Record]:
        assert self._agent is not None
        headers = Headers(
            {
                "Accept": [f"application/json, {_LINES};q=0.9"],
                "User-Agent": [f"twisted_libp2p/{__version__}"],
            }
        )
        url = f"{self.url}{_PATH}{path}".encode("ascii")
        try:
            response: IResponse = await _cancellable(
                self._agent.request(b"GET", url, headers)
            )
        except CancelledError:
            raise
        except Exception as error:
            # Of the network, of names, of TLS: there are many classes.
            raise InvalidInput(str(error) or type(error).__name__) from None
        if response.code == 404:
            # Servers of older versions say so for an empty list.
            _Body.discard(response)
            return []
        if response.code != 200:
            _Body.discard(response)
            raise InvalidInput(f"status {response.code}")
        kinds = response.headers.getRawHeaders("content-type", [""])
        body = _Body(AnswerReader(name, kinds[-1].startswith(_LINES)))
        response.deliverBody(body)
        return await body.ended


def _cancellable(request: Deferred[Any]) -> Deferred[Any]:
    """
    Follow a request; a cancelled one of Twisted fails with any error.
    """

    cancelled = False

    def cancel(_: object) -> None:
        nonlocal cancelled
        cancelled = True
        request.cancel()

    followed: Deferred[Any] = Deferred(cancel)

    def ended(result: Any) -> None:
        if cancelled:
            return
        if isinstance(result, Failure):
            followed.errback(result)
        else:
            followed.callback(result)

    request.addBoth(ended)
    return followed


class _Body(Protocol):
    """
    Reads the body of an answer.

    @ivar ended: fires with the records.
    """

    transport: Any

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self.ended: Deferred[list[Record]] = Deferred(self._cancelled)

    @classmethod
    def discard(cls, response: IResponse) -> None:
        """
        Read the beginning of a body that does not matter, and close.
        """
        body = cls(AnswerReader("", False))
        body.ended.addErrback(lambda reason: None)
        response.deliverBody(body)
        body.ended.cancel()

    def _cancelled(self, _: object) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Read; close the connection after too many bytes, or after enough records.
        """
        if self.ended.called:
            return
        try:
            self._reader.feed(data)
        except InvalidInput:
            self.ended.errback()
        else:
            if not self._reader.full:
                return
            self.ended.callback(self._reader.records)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        if self.ended.called:
            return
        if not reason.check(ResponseDone, PotentialDataLoss, ConnectionDone):
            self.ended.errback(InvalidInput("the answer was cut off"))
            return
        try:
            records = self._reader.end()
        except InvalidInput:
            self.ended.errback()
        else:
            self.ended.callback(records)


def _origin(url: str) -> Origin:
    """
    Check a URL, and return the place of its server.

    @raise ConfigurationError: it cannot be used.
    """
    try:
        uri = URI.fromBytes(url.encode("ascii"))
        host = uri.host.decode("ascii")
    except (UnicodeError, ValueError):
        raise ConfigurationError(f"{url!r} is not a URL") from None
    if uri.scheme not in (b"http", b"https") or not host:
        raise ConfigurationError(
            f"{url!r} is not a URL such as https://delegated-ipfs.dev"
        )
    origin = Origin.PUBLIC
    family = "ip6" if ":" in host else "ip4"
    if host == "localhost":
        origin = Origin.HOST
    elif host.replace(".", "").isdigit() or family == "ip6":
        try:
            origin = Origin.of(Multiaddr(f"/{family}/{host}/tcp/{uri.port}"))
        except InvalidInput:
            raise ConfigurationError(f"{url!r} has no valid IP address") from None
    if uri.scheme == b"http" and origin is Origin.PUBLIC:
        raise ConfigurationError(
            f"{url}: only https is safe on the Internet; http is for servers of private"
            " networks, by IP address"
        )
    return origin
