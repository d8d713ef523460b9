# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The page that is a peer of its own, served with the addresses of the node: the build of
C{examples/browser}, or a page of yours.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from twisted.web.http import NOT_FOUND
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node import Node
from twisted_libp2p.status.guard import Guarded, refuse
from twisted_libp2p.status.web import WebService

__all__ = ["servePeerPage"]

_INDEX = "index.html"


class _File(Guarded):
    """
    A file of the page.
    """

    contentType = ""
    linkable = True
    policy = "frame-ancestors 'none'"

    def __init__(self, path: Path, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._path = path
        # Not left to the table of the system, which a browser may not follow.
        known = {".js": "text/javascript", ".html": "text/html; charset=utf-8"}
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._type = known.get(path.suffix, guessed)

    def answer(self, request: Request) -> bytes:
        """
        Return the content.
        """
        try:
            content = self._path.read_bytes()
        except OSError:
            return refuse(request, NOT_FOUND, "this file is gone: build the page again")
        request.setHeader("Content-Type", self._type)
        return content


class _Addresses(Guarded):
    """
    The present addresses of the node, as a list of JSON.
    """

    def __init__(self, node: Node, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._node = node

    def answer(self, request: Request) -> bytes:
        """
        Return the addresses.
        """
        return json.dumps([str(each) for each in self._node.addresses]).encode()


def _site(
    node: Node, folder: Path, hosts: Collection[str]
) -> tuple[IResource, Callable[[], None]]:
    """
    Make the resources.

    @return: their root, and a function that has nothing to close.
    """
    root = Resource()
    for path in folder.iterdir():
        if path.is_file():
            root.putChild(path.name.encode(), _File(path, hosts))
    root.putChild(b"", _File(folder / _INDEX, hosts))
    root.putChild(b"addresses.json", _Addresses(node, hosts))
    return root, lambda: None


def servePeerPage(
    reactor: Any,
    node: Node,
    description: str,
    folder: str,
    hosts: Collection[str] = (),
) -> WebService:
    """
    Serve the page for as long as the node runs.  It reads the addresses of the node at
    C{addresses.json}, a list of JSON.

    @param reactor: the reactor that listens.
    @param node: becomes the parent of the service.
    @param description: a server endpoint such as C{tcp:8080}, on loopback unless it
        names an C{interface}.
    @param folder: the folder of the built page; folders inside of it are not served.
    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses.
    @return: the service, whose name is C{page}.
    @raise ConfigurationError: the endpoint is invalid, or no page is in the folder.
    """
    path = Path(folder)
    if not (path / _INDEX).is_file():
        raise ConfigurationError(
            f"there is no {_INDEX} in {folder}: build the page by npm ci and npm run"
            " build in examples/browser, or name its folder by --page-files"
        )
    service = WebService(reactor, description, lambda: _site(node, path, hosts))
    service.setName("page")
    service.setServiceParent(node)
    return service
