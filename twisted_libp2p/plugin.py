# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Securities, muxers and transports as Twisted plugins.

A package adds one by dropping a file into its C{twisted/plugins} folder, such
as::

    from twisted_libp2p.plugin import SecurityProvider

    rot13 = SecurityProvider("rot13", "rot13_libp2p.Rot13", "not even a joke")

From then on C{--security rot13} and C{Node(security=["rot13"])} find it.  The
file is read by every C{twist --help}, so it must be light: a provider imports
what it provides when that is asked for, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from twisted.plugin import IPlugin, getPlugins
from twisted.python.reflect import namedAny
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import (
    IMuxerProvider,
    IProvider,
    ISecurityProvider,
    ITransportProvider,
)

__all__ = [
    "MuxerProvider",
    "SecurityProvider",
    "TransportProvider",
    "provide",
    "providers",
]


@dataclass(frozen=True)
class _Provider:
    """
    Provides what a dotted name names, by calling it with the reactor.

    @ivar name: what users call it; one word.
    @ivar where: the dotted name of a class, or function, of one argument.
    @ivar description: one line for users.
    """

    name: str
    where: str
    description: str

    def provide(self, reactor: Any) -> Any:
        """
        Import it, and make one.

        @raise ConfigurationError: it cannot be imported.
        """
        try:
            make = namedAny(self.where)
        except Exception as error:
            raise ConfigurationError(
                f"{self.name} cannot be used: {self.where}: {error}"
            ) from error
        return make(reactor)


@implementer(IPlugin, ISecurityProvider)
class SecurityProvider(_Provider):
    """
    Provides an L{ISecurity<twisted_libp2p.interfaces.ISecurity>}.
    """


@implementer(IPlugin, IMuxerProvider)
class MuxerProvider(_Provider):
    """
    Provides an L{IMuxer<twisted_libp2p.interfaces.IMuxer>}.
    """


@implementer(IPlugin, ITransportProvider)
class TransportProvider(_Provider):
    """
    Provides an L{ITransport<twisted_libp2p.interfaces.ITransport>}.
    """


@cache
def providers(kind: type[IProvider]) -> Mapping[str, Any]:
    """
    Find what there is of one kind; looked up once in a process.

    @param kind: the interface: of a security, a muxer or a transport.
    @return: the providers by name, in the order of their names.
    @raise ConfigurationError: two plugins have the same name.
    """
    found: dict[str, Any] = {}
    for provider in getPlugins(kind):
        name = provider.name
        if name in found and found[name] != provider:
            raise ConfigurationError(
                f"two plugins are called {name}: {found[name]!r} and {provider!r}"
            )
        found[name] = provider
    return dict(sorted(found.items()))


def provide(kind: type[IProvider], name: str, reactor: Any) -> Any:
    """
    Provide one by its name.

    @raise ConfigurationError: there is none of this name, or it cannot be
        imported.
    """
    known = providers(kind)
    if name not in known:
        what = kind.__name__.removeprefix("I").removesuffix("Provider").lower()
        raise ConfigurationError(f"no {what} {name!r}: choose from {', '.join(known)}")
    return known[name].provide(reactor)
