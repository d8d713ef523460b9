# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The proxy through which a node dials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamClientEndpoint

__all__ = ["IKeepsToProxy", "IProxy"]


class IProxy(Interface):
    """
    A proxy for connections over TCP.  Its text is a name for logs and errors, without a
    password.
    """

    def clientEndpoint(reactor: Any, host: str, port: int) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects with a port of a host through the proxy.

        @param host: an IP address, or a name, which the proxy resolves.
        """


class IKeepsToProxy(Interface):
    """
    A transport whose dials cannot go around the proxy of its node: they go through it,
    or never leave this host.  A node with a proxy dials over no other transport.
    """
