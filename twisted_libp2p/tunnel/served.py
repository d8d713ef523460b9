# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A served port: each stream of a protocol becomes a connection to an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.logger import Logger
from twisted_libp2p.protocols.forward import ForwardFactory, Preface, Traffic

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
class ServedPort(Service):
    """
    Serves a protocol by an endpoint.

    @ivar protocol: the protocol id.
    @ivar description: the endpoint, as text.
    @ivar allow: decides which peers are served; None for all peers.  It may change.
    """

    _log = Logger()

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
        self.protocol = protocol
        self.description = description
        self.allow = allow
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
        host.registry.register(self.protocol, self._factory, allow=self._allowed)

    def startService(self) -> None:
        """
        Log that everybody is served, if that is so.
        """
        super().startService()
        self._logIfOpen()

    def replace(self, allow: Callable[[PeerID], bool] | None) -> None:
        """
        Decide anew which peers are served, and log it if it is everybody from now on.

        @param allow: as in the constructor.
        """
        opened = self.allow is not None
        self.allow = allow
        if opened:
            self._logIfOpen()

    def _logIfOpen(self) -> None:
        if self.allow is None:
            self._log.info(
                "{protocol} is open to every peer: --allow-for names those that may"
                " use it",
                protocol=self.protocol,
            )

    def _allowed(self, peer: PeerID) -> bool:
        return self.allow is None or self.allow(peer)
