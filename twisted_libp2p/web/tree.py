# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tree of the resources of a peer: those of application protocols below their paths,
and one for all other paths.
"""

from __future__ import annotations

from typing import Any

from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.web.protocols import PROTOCOLS_PATH, writeProtocols

__all__ = ["ProtocolTree"]


class _ProtocolList(Resource):
    """
    The list of the protocols.
    """

    isLeaf = True

    def __init__(self, paths: dict[str, str]) -> None:
        super().__init__()
        self._paths = paths

    def render_GET(self, request: Request) -> bytes:
        """
        Return it.
        """
        request.setHeader(b"Content-Type", b"application/json")
        return writeProtocols(self._paths)


class ProtocolTree(Resource):
    """
    Finds the resource of a request: that with the longest path.

    @ivar paths: the path of each protocol.
    """

    def __init__(self, rest: IResource | None = None) -> None:
        """
        @param rest: serves all other paths; None for a tree without them.
        """
        super().__init__()
        self.paths: dict[str, str] = {}
        self._rest = rest
        self._mounted: dict[tuple[bytes, ...], IResource] = {}
        # Number of segments of the longest mounted path.
        self._longest = 0
        self._put(PROTOCOLS_PATH, _ProtocolList(self.paths))

    def mount(self, protocol: str, resource: IResource, path: str) -> None:
        """
        Serve an application protocol.

        @param path: its path, such as C{/app/}.
        @raise ConfigurationError: the protocol or the path is served already, or the
            path is malformed.
        """
        if not path.startswith("/") or not path.isascii() or not path.isprintable():
            raise ConfigurationError(f"{path!r} is not a path such as /app/")
        if protocol in self.paths:
            raise ConfigurationError(f"protocol {protocol} is served already")
        path = path.rstrip("/") + "/"
        self._put(path, resource)
        self.paths[protocol] = path

    def _put(self, path: str, resource: IResource) -> None:
        place = tuple(path.strip("/").encode().split(b"/")) if path != "/" else ()
        if place in self._mounted:
            raise ConfigurationError(f"the path {path} is served already")
        self._mounted[place] = resource
        self._longest = max(self._longest, len(place))

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:
        """
        Find the resource of a request, and leave the rest of its path to it.
        """
        segments = (path, *request.postpath)
        resource, taken = self._rest or notFound(), 0
        # A peer may send a path of thousands of segments.
        for size in range(min(len(segments), self._longest), -1, -1):
            found = self._mounted.get(segments[:size])
            if found is not None:
                resource, taken = found, size
                break
        # The first segment was moved before this was called.
        request.prepath[-1:] = segments[:taken]
        request.postpath[:] = segments[taken:]
        return resource
