# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A served port: each stream of a protocol becomes a connection to an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.protocols.forward import ForwardFactory, Preface, Traffic
from twisted_libp2p.protocols.listed import ListedService

__all__ = ["ServedPort", "parseServe"]


def parseServe(text: str, reactor: Any) -> tuple[str, IStreamClientEndpoint]:
    """
    Parse a value of C{--serve}.

    @raise ConfigurationError: it is malformed; the text says what would be right.
    """
    protocol, _, description = text.partition("=")
    if not protocol or not description:
        raise ConfigurationError(
            f"--serve {text}: it has to be PROTOCOL=ENDPOINT, such as"
            " /http/1.1=tcp:localhost:8080"
        )
    try:
        return protocol, clientFromString(reactor, description)
    except Exception as error:
        # Parsers are plugins, and may raise any exception.
        raise ConfigurationError(
            f"--serve {text}: {description} is no client endpoint:"
            f" {str(error) or type(error).__name__}"
        ) from None


@implementer(IHostService)
class ServedPort(ListedService):
    """
    Serves a protocol by an endpoint.

    @ivar description: the endpoint, as text.
    """

    def __init__(
        self,
        protocol: str,
        endpoint: IStreamClientEndpoint,
        description: str = "",
        preface: Callable[[Any], Preface] | None = None,
        allow: Callable[[PeerID], bool] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """
        @param endpoint: connects the other end of each stream.
        @param description: the same as text, for the status.
        @param preface: names the peer to the endpoint, as for L{ForwardFactory}.
        @param allow: decides which peers are served; None for all peers.
        @param traffic: counts the streams and their bytes, and has their limits.
        """
        super().__init__(protocol, allow)
        self.description = description
        self._factory = ForwardFactory(endpoint, preface, traffic)

    @property
    def traffic(self) -> Traffic:
        """
        What has been forwarded so far.
        """
        return self._factory.traffic

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol.

        @raise ConfigurationError: it is served already.
        """
        host.registry.register(self.protocol, self._factory, allow=self.allowed)
