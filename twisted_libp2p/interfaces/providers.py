# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Plugins that provide securities, muxers and transports by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted_libp2p.interfaces.host import IHost

__all__ = ["IMuxerProvider", "IProvider", "ISecurityProvider", "ITransportProvider"]


class IProvider(Interface):
    """
    A plugin that provides a security, a muxer or a transport by its name; see
    L{twisted_libp2p.plugin}.
    """

    name: str = Attribute("The name for users; one word.")
    description: str = Attribute("One line for users.")

    def provide(host: IHost) -> Any:
        """
        Make a security, a muxer or a transport for a node.

        @param host: the node.  It is not complete yet: keep it, and use nothing but
            its C{reactor}, C{clock}, C{identity}, C{events} and C{registry} until the
            first dial.
        """


class ISecurityProvider(IProvider):
    """
    Provides an L{ISecurity}.
    """


class IMuxerProvider(IProvider):
    """
    Provides an L{IMuxer}.
    """


class ITransportProvider(IProvider):
    """
    Provides an L{ITransport}.  A node that is not given transports uses those of all
    plugins.
    """
