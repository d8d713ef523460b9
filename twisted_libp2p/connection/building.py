# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of protocols that need no factory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory

from twisted_libp2p.errors import ConfigurationError

__all__ = ["Builder", "StreamFactory", "factoryOf"]

#: Builds the protocols of streams: a factory, or a class of protocols, or a function
#: without arguments that returns a protocol.
Builder = IProtocolFactory | Factory[Any] | Callable[[], Any]


class StreamFactory(Factory):
    """
    Builds the protocol of each stream by a function, and logs nothing.
    """

    noisy = False

    def __init__(self, build: Callable[[], IProtocol | None]) -> None:
        """
        @param build: returns the protocol of one stream; None refuses the stream.
        """
        self._build = build

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Build the protocol of one stream.
        """
        return self._build()


def factoryOf(build: Builder) -> IProtocolFactory:
    """
    Return the factory of protocols that are built in one of three ways.

    @raise ConfigurationError: it builds no protocols.
    """
    if IProtocolFactory.providedBy(build):
        return build
    given: object = build
    if isinstance(given, type) and IProtocolFactory.implementedBy(given):
        raise ConfigurationError(
            f"{given.__name__} is a class of factories: give {given.__name__}(), or a"
            " class of protocols"
        )
    if not callable(build):
        raise ConfigurationError(
            f"{type(given).__name__} builds no protocols: give a factory, or a class of"
            " protocols"
        )
    return StreamFactory(build)
