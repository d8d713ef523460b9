# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server: a resource for clients that prove their peer ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.web.auth.server import TOKEN_TIME, Authenticator, Verdict

__all__ = ["PeerIDResource"]


class _Refused(Resource):
    """
    Answers with the challenge, or an error.
    """

    isLeaf = True

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict

    def render(self, request: Any) -> bytes:
        """
        Answer, whatever the method is.
        """
        request.setResponseCode(self._verdict.status)
        return b""


@implementer(IResource)
class PeerIDResource:
    """
    Serves a resource over TLS to clients that prove their peer ids, in
    C{PeerAddress.of(request)}::

        Site(PeerIDResource(resource, identity, ["example.com"], reactor))
    """

    isLeaf = False

    def __init__(
        self,
        resource: IResource,
        identity: Identity,
        hostnames: Iterable[str],
        clock: IReactorTime,
        *,
        tokenTime: float = TOKEN_TIME,
        behindProxy: bool = False,
    ) -> None:
        """
        @param resource: serves the clients that are proven.
        @param identity: our key.
        @param hostnames: the names of this server in its certificate.  A client proves
            its peer id to one of these alone.
        @param clock: the time.
        @param tokenTime: the seconds after which a client has to prove itself again.
        @param behindProxy: whether a proxy takes the TLS off.
        @raise ConfigurationError: there is no name.
        """
        self._resource: Any = resource
        self._hostnames = {each.lower() for each in hostnames}
        if not self._hostnames:
            raise ConfigurationError("a PeerIDResource needs the name of its server")
        self._authenticator = Authenticator(identity, clock.seconds, tokenTime)
        self._behindProxy = behindProxy

    def getChildWithDefault(self, name: bytes, request: Any) -> Any:
        """
        Judge a request, and leave its path to the resource.
        """
        # The first segment was moved before this was called.
        request.postpath.insert(0, request.prepath.pop())
        return self._resourceFor(request)

    def putChild(self, path: bytes, child: IResource) -> None:
        """
        Refuse: the resource has the children.

        @raise NotImplementedError: always.
        """
        raise NotImplementedError("put it into the resource that is served")

    def render(self, request: Any) -> Any:
        """
        Judge a request without a path.
        """
        return self._resourceFor(request).render(request)

    def _resourceFor(self, request: Any) -> Any:
        """
        Return the resource of a proven client, or the answer to another one.
        """
        verdict = self._judge(request)
        for name, value in verdict.headers.items():
            request.setHeader(name, value)
        if verdict.peer is None:
            return _Refused(verdict)
        request.client = PeerAddress(verdict.peer)
        return self._resource

    def _judge(self, request: Any) -> Verdict:
        hostname = request.getRequestHostname().decode("latin-1").lower()
        secure = self._behindProxy or request.isSecure()
        if not secure or hostname not in self._hostnames:
            return Verdict(None, 400, {})
        header = request.requestHeaders.getRawHeaders("Authorization", [""])[0]
        return self._authenticator.answer(header, hostname)
