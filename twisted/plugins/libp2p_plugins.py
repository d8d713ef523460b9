# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What Twisted finds of twisted_libp2p: the service C{libp2p} of C{twist} and
C{twistd}, and the prefix C{libp2p:} of endpoint strings, server and client.

Twisted loads this file whenever it looks for any plugin, so it names the
package by strings and imports nothing of it until something is asked for.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import (
    IReactorCore,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import implementer

__all__ = ["clientParser", "serverParser", "service"]


@implementer(IPlugin, IStreamServerEndpointStringParser)
class _ServerParser:
    """
    C{serverFromString(reactor, "libp2p:...")}
    """

    prefix = "libp2p"

    def parseStreamServer(
        self, reactor: IReactorCore, *args: object, **kwargs: object
    ) -> IStreamServerEndpoint:
        """
        Hand the parts of the description to
        C{twisted_libp2p.endpoints.parseServer}.
        """
        parse = namedAny("twisted_libp2p.endpoints.parseServer")
        endpoint: IStreamServerEndpoint = parse(reactor, *args, **kwargs)
        return endpoint


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class _ClientParser:
    """
    C{clientFromString(reactor, "libp2p:...")}
    """

    prefix = "libp2p"

    def parseStreamClient(
        self, reactor: IReactorCore, *args: object, **kwargs: object
    ) -> IStreamClientEndpoint:
        """
        Hand the parts of the description to
        C{twisted_libp2p.endpoints.parseClient}.
        """
        parse = namedAny("twisted_libp2p.endpoints.parseClient")
        endpoint: IStreamClientEndpoint = parse(reactor, *args, **kwargs)
        return endpoint


service = ServiceMaker(
    "libp2p", "twisted_libp2p.tap", "A libp2p node: serves and dials peers.", "libp2p"
)
serverParser = _ServerParser()
clientParser = _ClientParser()
