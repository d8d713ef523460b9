# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of a node on a command line: those that C{twist libp2p} and the
tools share.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, ClassVar

from twisted.python.usage import Options

from twisted_libp2p.connection.dialer import DIALECTS
from twisted_libp2p.connection.upgrader import MULTISTREAM
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IMuxerProvider, IProvider, ISecurityProvider
from twisted_libp2p.node import MUXERS, SECURITIES
from twisted_libp2p.plugin import providers
from twisted_libp2p.transport.private import PrivateNetwork

__all__ = ["NodeOptions", "whole"]

#: The plugin that C{--insecure-plaintext} adds.
PLAINTEXT = "insecure-plaintext"


def _choice(kind: type[IProvider]) -> str:
    return "in order of preference, of: " + ", ".join(providers(kind))


def whole(least: int, most: float = inf) -> Callable[[str], int]:
    """
    Make the type of an option whose value is a whole number.

    @param least: the smallest one that makes sense.
    @param most: the largest one.
    @return: understands a value; raises C{ValueError} if it is no such number.
    """

    def understand(text: str) -> int:
        with suppress(ValueError):
            if least <= int(text) <= most:
                return int(text)
        bounds = f"from {least} up" if most == inf else f"from {least} to {most}"
        raise ValueError(f"{text!r} is no whole number {bounds}")

    return understand


class NodeOptions(Options):
    """
    What a node speaks, and as whom.
    """

    optParameters: ClassVar[list[Any]] = [
        ["identity", "i", None, "file of our private key, made if it is not there"],
        ["security", None, ",".join(SECURITIES), _choice(ISecurityProvider)],
        ["muxer", None, ",".join(MUXERS), _choice(IMuxerProvider)],
        ["dialect", None, MULTISTREAM, "spoken first: " + ", ".join(DIALECTS)],
        ["psk", None, None, "file of the key of a private network"],
    ]

    optFlags: ClassVar[list[Any]] = [
        [PLAINTEXT, None, "speak unprotected with peers that speak nothing better"],
    ]

    def __repr__(self) -> str:
        # A DSN among the values may hold a password.
        return f"<{type(self).__name__}>"

    def identity(self) -> Identity | None:
        """
        Give who the node is; None for a key that lives as long as the process.

        @raise ConfigurationError: the file holds no key.
        """
        path = self["identity"]
        return Identity.fromFile(path) if path is not None else None

    def nodeArguments(self) -> dict[str, Any]:
        """
        Give the keyword arguments of L{Node<twisted_libp2p.node.Node>}.

        @raise ConfigurationError: a file cannot be used.
        """
        security = self["security"].split(",")
        if self[PLAINTEXT]:
            security.append(PLAINTEXT)
        return {
            "identity": self.identity(),
            "security": security,
            "muxers": self["muxer"].split(","),
            "dialect": self["dialect"],
            "network": (PrivateNetwork.fromFile(self["psk"]) if self["psk"] else None),
        }
