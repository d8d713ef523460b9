# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The arguments of a node, which are checked when it is made: a mistake would
otherwise show itself far away, or never.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import isclass
from typing import Any

from zope.interface.interface import InterfaceClass

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IHost
from twisted_libp2p.plugin import provide

__all__ = ["check", "provided"]


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
    Return the layers of a node, some of which may be given by the names of plugins.

    @param plugins: the interface of the plugins.
    @param name: the name of the argument.
    @param layers: one layer or name, or several.
    @param kind: the interface of the layers.
    @param host: the node.
    @raise ConfigurationError: there is no such plugin, it cannot be used, or
        something is neither a layer nor a name.
    """
    if isinstance(layers, str | bytes) or not isinstance(layers, Iterable):
        layers = (layers,)
    found = []
    for each in layers:
        if isinstance(each, str):
            found.append(provide(plugins, each, host))
        else:
            right = f"names of plugins or objects that provide {kind.__name__}"
            check(name, each, kind, right)
            found.append(each)
    return found


def _kind(value: object) -> str:
    """
    Return a short text that shows what a value is.
    """
    if value is None:
        return "None"
    kind = f"class {value.__name__}" if isclass(value) else type(value).__name__
    return f"<{kind}>"
