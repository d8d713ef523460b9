# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The status page: one page that needs nothing from anywhere else, its live feed,
and the same as JSON.

Whoever reaches the port may read.  So it is bound to loopback unless told
otherwise; and so that no web site can make a browser read it on its behalf, a
request has to name a host that no DNS answer can lead here from
elsewhere, and pages of other origins get nothing.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

from twisted.web.http import FORBIDDEN, NOT_ALLOWED, SERVICE_UNAVAILABLE
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.node import Node
from twisted_libp2p.status.feed import Feed
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.status.web import WebService

__all__ = ["pages", "serveStatus"]


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _asset("page.css"), _asset("page.js")

_PAGE = (
    _asset("page.html")
    .replace("/*style*/", _STYLE)
    .replace("/*script*/", _SCRIPT)
    .encode()
)

#: What the page may do: run what it has brought, and ask us.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash(_SCRIPT)}",
        f"style-src {_hash(_STYLE)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def isOurs(request: Request) -> bool:
    """
    Tell whether a request names a host that is no name in the DNS: localhost,
    a loopback address, or the address at which the request has come in.
    """
    header = request.getHeader("host") or ""
    name, _, port = header.rpartition(":")
    if not name or not port.isdecimal():
        name = header
    if name.lower() == "localhost":
        return True
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
        return address.is_loopback or address == ip_address(request.getHost().host)
    except (AttributeError, ValueError):
        return False


class _Guarded(Resource):
    """
    Something that is read, by its own origin.

    @cvar contentType: what it is.
    @cvar linkable: whether a link of another origin may lead to it.
    """

    isLeaf = True
    contentType = "application/json"
    linkable = False

    def render(self, request: Request) -> Any:
        """
        Answer C{GET}, if it is one of ours.
        """
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        if request.method != b"GET":
            request.setHeader("Allow", "GET")
            return refuse(request, NOT_ALLOWED, "GET is all there is")
        if not isOurs(request):
            return refuse(
                request,
                FORBIDDEN,
                "ask for localhost, or for the address that this is bound to",
            )
        origin = request.getHeader("sec-fetch-site")
        if not self.linkable and origin not in (None, "none", "same-origin"):
            return refuse(request, FORBIDDEN, "not for pages of other origins")
        request.setHeader("Content-Type", f"{self.contentType}; charset=utf-8")
        return self.answer(request)

    def answer(self, request: Request) -> Any:
        """
        @return: the body, or C{NOT_DONE_YET}.
        """
        raise NotImplementedError


def refuse(request: Request, code: int, why: str) -> bytes:
    """
    Answer with an error.
    """
    request.setResponseCode(code)
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    return f"{why}\n".encode()


class _Page(_Guarded):
    """
    The page.
    """

    contentType = "text/html"
    linkable = True

    def answer(self, request: Request) -> bytes:
        """
        It is always the same: what it shows comes by the feed.
        """
        return _PAGE


class _Snapshot(_Guarded):
    """
    All that the page shows, for programs.
    """

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def answer(self, request: Request) -> bytes:
        """
        Look, and tell.
        """
        events = [each.asJSON() for each in self._observer.since(0)]
        return json.dumps({**self._observer.snapshot(), "events": events}).encode()


class _Events(_Guarded):
    """
    The feed.
    """

    contentType = "text/event-stream"

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def answer(self, request: Request) -> Any:
        """
        Let follow, if there is room.
        """
        if self._feed.full:
            request.setHeader("Retry-After", "10")
            return refuse(request, SERVICE_UNAVAILABLE, "too many pages are open")
        self._feed.join(request)
        return NOT_DONE_YET


def pages(node: Node) -> tuple[IResource, Callable[[], None]]:
    """
    Make the resources of the status page.

    @return: their root, and what closes them.
    """
    observer = Observer(node)
    feed = Feed(node.reactor, observer)
    root = Resource()
    root.putChild(b"", _Page())
    root.putChild(b"snapshot", _Snapshot(observer))
    root.putChild(b"events", _Events(feed))

    def close() -> None:
        feed.close()
        observer.close()

    return root, close


def serveStatus(reactor: Any, node: Node, description: str) -> WebService:
    """
    Give a node a status page, for as long as it runs.

    @param reactor: what listens.
    @param node: becomes the parent of the service.
    @param description: where, as a server endpoint such as C{tcp:8080}: on
        loopback unless it tells an C{interface}.
    @return: the service, whose name is C{status}.
    @raise ConfigurationError: there is no such endpoint.
    """
    service = WebService(reactor, description, lambda: pages(node))
    service.setName("status")
    service.setServiceParent(node)
    return service
