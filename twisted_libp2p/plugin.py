# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Securities, muxers and transports as Twisted plugins.

A package adds one by dropping a file into its C{twisted/plugins} folder, such
as::

    from twisted_libp2p.plugin import SecurityProvider

    rot13 = SecurityProvider("rot13", "rot13_libp2p.Rot13", "not even a joke")

From then on C{--security rot13} and C{Node(security=["rot13"])} find it.  The
file is read by every C{twist --help}, so it must be light: a provider imports
its security, muxer or transport when a node uses it, not before.
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
    IHost,
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
    Provides the result of a function, which is named and not imported yet.

    @ivar name: the name for users; one word.
    @ivar where: the dotted name of a class, or function, of one argument.
    @ivar description: one line for users.
    """

    name: str
    where: str
    description: str

    def provide(self, host: IHost) -> Any:
        """
        Import the function and call it.

        @raise ConfigurationError: it cannot be imported.
        """
        try:
            make = namedAny(self.where)
        except Exception as error:
            raise ConfigurationError(
                f"{self.name} cannot be used: {self.where}: {error}"
            ) from error
        return make(self._argument(host))

    def _argument(self, host: IHost) -> Any:
        """
        Return the part of a node that a layer is made with: layers know no nodes, and
        need a clock.
        """
        return host.clock


@implementer(IPlugin, ISecurityProvider)
class SecurityProvider(_Provider):
    """
    Provides an L{ISecurity<twisted_libp2p.interfaces.ISecurity>}, by a function of
    the clock.
    """


@implementer(IPlugin, IMuxerProvider)
class MuxerProvider(_Provider):
    """
    Provides an L{IMuxer<twisted_libp2p.interfaces.IMuxer>}, by a function of the
    clock.
    """


@implementer(IPlugin, ITransportProvider)
class TransportProvider(_Provider):
    """
    Provides an L{ITransport<twisted_libp2p.interfaces.ITransport>}, by a function of
    the node, an L{IHost<twisted_libp2p.interfaces.IHost>}: a transport may need
    sockets, or streams.
    """

    def _argument(self, host: IHost) -> Any:
        """
        Return the node itself.
        """
        return host


@cache
def providers(kind: type[IProvider]) -> Mapping[str, Any]:
    """
    Find the plugins of one kind; they are looked up once in a process.

    @param kind: the interface of the provider of securities, muxers or transports.
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


def provide(kind: type[IProvider], name: str, host: IHost) -> Any:
    """
    Make a security, a muxer or a transport by its name.

    @raise ConfigurationError: no plugin has this name, or it cannot be imported.
    """
    known = providers(kind)
    if name not in known:
        what = kind.__name__.removeprefix("I").removesuffix("Provider").lower()
        raise ConfigurationError(f"no {what} {name!r}: choose from {', '.join(known)}")
    return known[name].provide(host)
