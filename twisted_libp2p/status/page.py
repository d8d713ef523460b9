# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The status page: one page that loads nothing from other sites, its live feed, and the
same as JSON.

Every program that reaches the port may read it.  So the port is bound to loopback by
default.  L{guard<twisted_libp2p.status.guard>} keeps web sites from reading it through
a browser.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.node import Node
from twisted_libp2p.node.conditions import Condition
from twisted_libp2p.status.feed import Feed, Observed
from twisted_libp2p.status.guard import Guarded, refuse
from twisted_libp2p.status.health import addHealth
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.status.web import WebService

__all__ = ["observedPages", "pages", "serveStatus"]


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _asset("page.css"), _asset("map.js") + _asset("page.js")

_PAGE = (
    _asset("page.html")
    .replace("/*style*/", _STYLE)
    .replace("/*script*/", _SCRIPT)
    .encode()
)

#: The page may run its own script and style, and request its feed.
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
    The page itself.
    """

    contentType = "text/html"
    linkable = True
    policy = _POLICY

    def answer(self, request: Request) -> bytes:
        """
        Return the page, which is always the same: the feed brings its contents.
        """
        return _PAGE


class _Snapshot(Guarded):
    """
    The contents of the page, for programs.
    """

    def __init__(self, observer: Observed, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._observer = observer

    def answer(self, request: Request) -> bytes:
        """
        Return the present state and the recent events.
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
        Add the browser to the feed, if there is room.
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

    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses.
    @return: their root, and the function that closes them.
    """
    return observedPages(node.reactor, Observer(node), node.conditions, hosts)


def observedPages(
    clock: IReactorTime,
    observer: Observed,
    conditions: Callable[[], Sequence[Condition]],
    hosts: Collection[str] = (),
) -> tuple[Resource, Callable[[], None]]:
    """
    Make the resources of the status page of a node, or of several processes.

    @param clock: runs the timers of the feed.
    @param conditions: returns the conditions under which they are ready.
    @param hosts: as for L{pages}.
    @return: their root, and the function that closes them.
    """
    feed = Feed(clock, observer)
    root = Resource()
    root.putChild(b"", _Page(hosts))
    root.putChild(b"snapshot", _Snapshot(observer, hosts))
    root.putChild(b"events", _Events(feed, hosts))
    addHealth(root, conditions, hosts)

    def close() -> None:
        feed.close()
        observer.close()

    return root, close


def serveStatus(
    reactor: Any, node: Node, description: str, hosts: Collection[str] = ()
) -> WebService:
    """
    Serve the status page of a node, for as long as it runs.

    @param reactor: the reactor that listens.
    @param node: becomes the parent of the service.
    @param description: a server endpoint such as C{tcp:8080}, on loopback unless it
        names an C{interface}.
    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses, such as the name that a proxy uses.
    @return: the service, whose name is C{status}.
    @raise ConfigurationError: the endpoint is invalid.
    """
    service = WebService(reactor, description, lambda: pages(node, hosts))
    service.setName("status")
    service.setServiceParent(node)
    return service
