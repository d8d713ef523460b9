# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The arguments of a node, which are checked when it is made: a mistake would
otherwise show itself far away, or never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import isclass
from typing import Any

from zope.interface.interface import InterfaceClass

from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    AnyTransport,
    IAddressing,
    IGater,
    IHost,
    ITransportProvider,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.logger import Logger
from twisted_libp2p.plugin import provide, providers
from twisted_libp2p.transport.private import PrivateNetwork, protect
from twisted_libp2p.transport.proxy.around import keepTo

__all__ = ["check", "checkKinds", "networked", "provided", "repeatable"]

_log = Logger()


def check(name: str, value: Any, kind: Any, right: str) -> None:
    """
    Check that an argument is of its kind.

    @param kind: its class, or its interface.
    @param right: how to make such a value.
    @raise ConfigurationError: it is something else.
    """
    if isinstance(kind, InterfaceClass):
        fits = kind.providedBy(value)
    else:
        fits = isinstance(value, kind)
    if not fits:
        # Not the value itself, which may be a secret key.
        raise ConfigurationError(f"{name}={_kind(value)}: it has to be {right}")


def provided(plugins: Any, name: str, layers: Any, kind: Any, host: IHost) -> list[Any]:
    """
    Return the layers of a node, which may be given by the names of plugins, or by
    providers.

    @param plugins: the interface of the plugins.
    @param name: the name of the argument.
    @param layers: one layer, name or provider, or several.
    @param kind: the interface of the layers.
    @param host: the node.
    @raise ConfigurationError: the plugin is unknown, it cannot be used, or
        something is neither a layer nor a name.
    """
    if isinstance(layers, str | bytes) or not isinstance(layers, Iterable):
        layers = (layers,)
    found = []
    for each in layers:
        if isinstance(each, str):
            found.append(provide(plugins, each, host))
        elif plugins.providedBy(each):
            found.append(each.provide(host))
        else:
            contract = plugins.__name__.removesuffix("Provider")
            right = f"names of plugins or objects that provide {contract}"
            check(name, each, kind, right)
            found.append(each)
    return found


def checkKinds(
    identity: Any, network: Any, policy: Any, limits: Any, gater: Any
) -> None:
    """
    Check the given arguments of a node that are objects.

    @raise ConfigurationError: one of them is something else.
    """
    for name, value, kind, right in (
        ("identity", identity, Identity, "Identity.fromFile(path)"),
        ("network", network, PrivateNetwork, "PrivateNetwork.fromFile(path)"),
        ("policy", policy, ConnectionPolicy, "a ConnectionPolicy"),
        ("limits", limits, Limits, "the Limits of twisted_libp2p.limits"),
        ("gater", gater, IGater, "an IGater, such as a ListGater"),
    ):
        if value is not None:
            check(name, value, kind, right)


def repeatable(values: Any) -> Any:
    """
    Return an argument that can be read more than once.
    """
    return tuple(values) if isinstance(values, Iterator) else values


def networked(
    transports: Iterable[str | AnyTransport | ITransportProvider] | None,
    network: PrivateNetwork | None,
    host: IHost,
) -> list[AnyTransport]:
    """
    Return the transports of a node, in its private network if it has one.

    @param transports: names of plugins, or transports; None for all plugins, without
        those that cannot be made: no user has asked for them by name.
        In a private network those that cannot be private are left out too.
    @raise ConfigurationError: as for L{provided}, or one that was asked for by name
        cannot be private.
    """
    if transports is not None:
        given = provided(
            ITransportProvider, "transports", transports, IAddressing, host
        )
        return protect(keepTo(host.proxy, given), network)
    found = []
    for provider in providers(ITransportProvider).values():
        try:
            found.append(provider.provide(host))
        except ConfigurationError as error:
            _log.warn("{error}", error=str(error))
    return protect(keepTo(host.proxy, found), network, chosen=False)


def _kind(value: object) -> str:
    """
    Return a short text that shows the kind of a value.
    """
    if value is None:
        return "None"
    kind = f"class {value.__name__}" if isclass(value) else type(value).__name__
    return f"<{kind}>"
