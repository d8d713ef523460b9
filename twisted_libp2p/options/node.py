# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of a node, which C{twist libp2p} and the tools share.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.python.usage import CompleteFiles, Completions

from twisted_libp2p.connection.attempts import DIALECTS
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    IMuxerProvider,
    IProvider,
    ISecurityProvider,
    ITransportProvider,
)
from twisted_libp2p.node import MUXERS, SECURITIES
from twisted_libp2p.options.command import CommandOptions
from twisted_libp2p.options.completion import CompleteWords
from twisted_libp2p.plugin import providers
from twisted_libp2p.quic.backends import AUTO, BACKENDS
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.transport.onion import Tor
from twisted_libp2p.transport.private import PrivateNetwork
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

__all__ = ["NodeOptions"]

#: The plugin that C{--insecure-plaintext} adds.
PLAINTEXT = "insecure-plaintext"


def _choice(kind: type[IProvider]) -> str:
    return "in order of preference, of: " + ", ".join(providers(kind))


class NodeOptions(CommandOptions):
    """
    The identity of a node, and the protocols that it speaks.
    """

    optParameters: ClassVar[list[Any]] = [
        ["identity", "i", None, "file of our private key, made if it does not exist"],
        ["security", None, ",".join(SECURITIES), _choice(ISecurityProvider)],
        ["muxer", None, ",".join(MUXERS), _choice(IMuxerProvider)],
        ["dialect", None, MULTISTREAM, "spoken first: " + ", ".join(DIALECTS)],
        ["psk", None, None, "file of the key of a private network"],
        [
            "quic-backend",
            None,
            AUTO,
            "implementation of QUIC: " + ", ".join((AUTO, *BACKENDS)),
        ],
        ["tls-roots", None, None, "authorities for /wss; by default the system's"],
        ["dial-through", None, None, "proxy: socks5://HOST:PORT or http://HOST:PORT"],
        ["tor-socks", None, None, "HOST:PORT of Tor, for /onion3; 127.0.0.1:9050"],
    ]

    optFlags: ClassVar[list[Any]] = [
        [
            PLAINTEXT,
            None,
            "unprotected, with peers that support nothing better",
        ],
    ]

    compData = Completions(
        optActions={
            "identity": CompleteFiles(),
            "security": CompleteWords(providers(ISecurityProvider)),
            "muxer": CompleteWords(providers(IMuxerProvider)),
            "dialect": CompleteWords(DIALECTS),
            "psk": CompleteFiles(),
            "quic-backend": CompleteWords((AUTO, *BACKENDS)),
            "tls-roots": CompleteFiles(),
        }
    )

    def __repr__(self) -> str:
        # A DSN among the values may hold a password.
        return f"<{type(self).__name__}>"

    def identity(self) -> Identity | None:
        """
        Return the identity of the node; None for a key that lives as long as the
        process.

        @raise ConfigurationError: the file does not hold a key.
        """
        path = self["identity"]
        return Identity.fromFile(path, self.owner()) if path is not None else None

    def owner(self) -> tuple[int, int] | None:
        """
        Return the user and the group of new files; None for those of the process.
        """
        return None

    def nodeArguments(self) -> dict[str, Any]:
        """
        Return the keyword arguments of L{Node<twisted_libp2p.node.Node>}.

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
            "network": (
                PrivateNetwork.fromFile(self["psk"])
                if self["psk"] is not None
                else None
            ),
            "dialThrough": self["dial-through"],
            "transports": self.transports(),
        }

    def webSockets(self) -> list[ITransportProvider]:
        """
        Return the providers of WebSockets that have options of their own.
        """
        roots = self["tls-roots"]
        return [] if roots is None else [SecureWebSockets(roots)]

    def providers(self) -> list[ITransportProvider]:
        """
        Return the providers of the transports that have options of their own.
        """
        found = self.webSockets()
        if self["quic-backend"] != AUTO:
            found.append(QuicProvider(self["quic-backend"]))
        if self["tor-socks"] is not None:
            found.append(Tor(self["tor-socks"]))
        return found

    def transports(self) -> list[Any] | None:
        """
        Return the transports of the node; None for those of all plugins.
        """
        own = self.providers()
        if not own:
            return None
        names = {each.name for each in own}
        others = [name for name in providers(ITransportProvider) if name not in names]
        return [*others, *own]
