# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of protocols that need no factory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, cast

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory

from twisted_libp2p.connection.talk import Talk, Talking
from twisted_libp2p.errors import ConfigurationError

__all__ = ["Builder", "StreamFactory", "factoryOf"]

#: Builds the protocols of streams: a factory, or a class of protocols, or a function
#: without arguments that returns a protocol; or a coroutine function, which gets a
#: L{Talk<twisted_libp2p.connection.talk.Talk>}.
Builder = IProtocolFactory | Factory[Any] | Callable[[], Any] | Talking


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
    Return the factory of protocols that are built in one of four ways.

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
    if iscoroutinefunction(build):
        return StreamFactory(partial(Talk, cast(Talking, build)))
    return StreamFactory(cast("Callable[[], Any]", build))
