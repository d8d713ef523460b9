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
from collections.abc import Callable, Collection
from hashlib import sha256
from importlib.resources import files
from typing import Any

from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.node import Node
from twisted_libp2p.status.feed import Feed
from twisted_libp2p.status.guard import Guarded, refuse
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


class _Page(Guarded):
    """
    The page.
    """

    contentType = "text/html"
    linkable = True
    policy = _POLICY

    def answer(self, request: Request) -> bytes:
        """
        It is always the same: what it shows comes by the feed.
        """
        return _PAGE


class _Snapshot(Guarded):
    """
    All that the page shows, for programs.
    """

    def __init__(self, observer: Observer, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._observer = observer

    def answer(self, request: Request) -> bytes:
        """
        Look, and tell.
        """
        events = [each.asJSON() for each in self._observer.since(0)]
        return json.dumps({**self._observer.snapshot(), "events": events}).encode()


class _Events(Guarded):
    """
    The feed.
    """

    contentType = "text/event-stream"

    def __init__(self, feed: Feed, hosts: Collection[str]) -> None:
        super().__init__(hosts)
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


def pages(
    node: Node, hosts: Collection[str] = ()
) -> tuple[IResource, Callable[[], None]]:
    """
    Make the resources of the status page.

    @param hosts: the hosts, beside this machine's own addresses, by which they may
        be asked for.
    @return: their root, and what closes them.
    """
    observer = Observer(node)
    feed = Feed(node.reactor, observer)
    root = Resource()
    root.putChild(b"", _Page(hosts))
    root.putChild(b"snapshot", _Snapshot(observer, hosts))
    root.putChild(b"events", _Events(feed, hosts))

    def close() -> None:
        feed.close()
        observer.close()

    return root, close


def serveStatus(
    reactor: Any, node: Node, description: str, hosts: Collection[str] = ()
) -> WebService:
    """
    Give a node a status page, for as long as it runs.

    @param reactor: what listens.
    @param node: becomes the parent of the service.
    @param description: where, as a server endpoint such as C{tcp:8080}: on
        loopback unless it tells an C{interface}.
    @param hosts: the hosts, beside this machine's own addresses, by which the page
        may be asked for, such as the name that a proxy uses.
    @return: the service, whose name is C{status}.
    @raise ConfigurationError: there is no such endpoint.
    """
    service = WebService(reactor, description, lambda: pages(node, hosts))
    service.setName("status")
    service.setServiceParent(node)
    return service
