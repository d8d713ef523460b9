# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Plugins that provide securities, muxers and transports by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    pass

__all__ = ["IMuxerProvider", "IProvider", "ISecurityProvider", "ITransportProvider"]


class IProvider(Interface):
    """
    A plugin that provides a security, a muxer or a transport by its name; see
    L{twisted_libp2p.plugin}.
    """

    name: str = Attribute("What users call it; one word.")
    description: str = Attribute("One line for users.")

    def provide(reactor: Any) -> Any:
        """
        Make one, for the nodes that run on a reactor.
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
    Provides an L{ITransport}.  All that are there are used by nodes that are
    not told which.
    """
