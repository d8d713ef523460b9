# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service of a node that serves resources of C{twisted.web}.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.web.resource import IResource
from zope.interface import implementer

from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.web.protocols import HTTP_ID
from twisted_libp2p.web.site import MAX_BODY, PeerSite
from twisted_libp2p.web.tree import ProtocolTree

__all__ = ["WebService"]


@implementer(IHostService)
class WebService(Service):
    """
    Serves any resources of C{twisted.web} to peers::

        node.add(WebService(File("public")))

    The method C{getPeer} of the requests returns the address of the peer.

    @ivar tree: the resources.
    """

    def __init__(
        self,
        resource: IResource | Any | None = None,
        *,
        allow: Any = None,
        maxBody: int = MAX_BODY,
    ) -> None:
        """
        @param resource: serves all paths that no mounted one has.
        @param allow: the peers that are served, as for C{node.serve}; None for all.
        @param maxBody: the maximum size of the body of a request, in bytes.
        """
        self.setName("web")
        self.tree = ProtocolTree(resource)
        self._allow = allow
        self._maxBody = maxBody

    def mount(
        self, protocol: str, resource: IResource | Any, path: str | None = None
    ) -> None:
        """
        Serve an application protocol, and list it for other peers.

        @param path: its path, such as C{/app/}; None for the protocol id itself.
        @raise ConfigurationError: the protocol or the path is served already, or the
            path is malformed.
        """
        self.tree.mount(protocol, resource, protocol if path is None else path)

    def attach(self, host: IHost) -> None:
        """
        Serve C{/http/1.1}.

        @raise ConfigurationError: it is served already.
        """
        site = PeerSite(self.tree, host.clock, self._maxBody)
        host.registry.register(HTTP_ID, site, allow=self._allow)
