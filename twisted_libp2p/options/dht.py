# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of the DHT: of C{twist libp2p}, and of the tools that look something up.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.python.usage import UsageError

from twisted_libp2p.dht.keys import multihashOf, namespaceOf, valueKeyOf
from twisted_libp2p.dht.scope import AMINO
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.command import CommandOptions, seconds, whole
from twisted_libp2p.options.looking import (
    DHT_COMPLETIONS,
    DHT_OPTIONS,
    DHTClientOptions,
    LookingOptions,
)
from twisted_libp2p.options.output import OutputOptions

with loadedOnUse():
    from twisted_libp2p.dht import service, validators

__all__ = [
    "DHTOptions",
    "FindOptions",
    "GetOptions",
    "ProvideOptions",
    "ProvidersOptions",
    "PutOptions",
    "SeekOptions",
]


class DHTOptions(CommandOptions):
    """
    The DHT of a node that runs as a service.
    """

    optParameters: ClassVar[list[Any]] = [
        ["dht", None, None, "take part in a DHT as client, server or auto"],
        *DHT_OPTIONS,
    ]
    compData = DHT_COMPLETIONS

    def __init__(self) -> None:
        super().__init__()
        self["dht-namespace"] = []

    def opt_dht_namespace(self, name: str) -> None:
        """
        accept any value of this namespace, in a network of your own; may be repeated
        """
        self["dht-namespace"].append(name)

    def dht(self) -> service.KademliaDHT | None:
        """
        Make the service; None without C{--dht}.

        @raise ConfigurationError: an option has no usable value.
        """
        if self["dht"] is None:
            return None
        return service.KademliaDHT(
            self["dht-prefix"],
            self["dht"],
            self["dht-scope"],
            {name: validators.AnyValue() for name in self["dht-namespace"]},
        )


class SeekOptions(OutputOptions, DHTClientOptions):
    """
    The common options of the tools that ask a DHT.
    """

    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 60.0, "maximum time, in seconds", seconds],
    ]

    def postOptions(self) -> None:
        if not self["bootstrap"]:
            raise UsageError(
                "nobody to ask: give --bootstrap ADDRESS, a peer of the DHT, such as"
                " /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"
            )


class FindOptions(LookingOptions, SeekOptions):
    """
    Options of C{find}.
    """

    operands = ("PEER",)
    longdesc = (
        "Prints the full addresses of a peer that is known by its id alone: from a DHT,"
        " the local network, or a server of delegated routing, whichever answers first."
    )

    def parseArgs(self, peer: str) -> None:  # type: ignore[override]
        try:
            self["peer"] = PeerID.of(peer)
        except InvalidInput as error:
            raise UsageError(str(error)) from None

    def postOptions(self) -> None:
        if not (self["mdns"] or self["routing-url"]):
            super().postOptions()


class _ContentOptions(SeekOptions):
    """
    Options of the tools for content.
    """

    operands = ("CID",)

    def parseArgs(self, cid: str) -> None:  # type: ignore[override]
        try:
            self["key"] = multihashOf(cid)
        except InvalidInput as error:
            raise UsageError(str(error)) from None
        self["cid"] = cid


class ProvidersOptions(_ContentOptions):
    """
    Options of C{providers}.
    """

    longdesc = "Prints the ids of the peers that provide some content."
    optParameters: ClassVar[list[Any]] = [
        ["count", "c", 20, "number of providers that are enough", whole(1)]
    ]


class ProvideOptions(_ContentOptions):
    """
    Options of C{provide}.
    """

    longdesc = (
        "Announces that this node provides some content.  With --stay it goes on until"
        " it is interrupted; without it, --identity and --announce name another node"
        " of ours, which has the content."
    )
    optFlags: ClassVar[list[Any]] = [
        ["stay", None, "go on, so that others can connect, until interrupted"]
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["announce"] = []

    def opt_listen(self, address: str) -> None:
        """
        listen here; may be repeated; by default on any port of all interfaces
        """
        self["listen"].append(address)

    def opt_announce(self, address: str) -> None:
        """
        state this address of ours too; may be repeated
        """
        self["announce"].append(address)

    def nodeArguments(self) -> dict[str, Any]:
        """
        Return the keyword arguments of a node that listens.
        """
        return {
            **super().nodeArguments(),
            "listen": self["listen"] or ["/ip4/0.0.0.0/tcp/0"],
            "announce": self["announce"],
        }


class _ValueOptions(SeekOptions):
    """
    Options of the tools for values.
    """

    operands: ClassVar[tuple[str, ...]] = ("KEY",)

    def parseArgs(self, key: str) -> None:  # type: ignore[override]
        try:
            self["key"] = valueKeyOf(key)
            self["namespace"] = namespaceOf(key)
        except InvalidInput as error:
            raise UsageError(str(error)) from None

    def validators(self) -> dict[str, validators.IValidator]:
        """
        Take all values of the namespace of a network of the user's own.
        """
        if self["dht-prefix"] == AMINO or self["namespace"] in ("pk", "ipns"):
            return {}
        return {self["namespace"]: validators.AnyValue()}


class GetOptions(_ValueOptions):
    """
    Options of C{get}.
    """

    longdesc = "Writes the value of a key, such as /pk/PEER, /ipns/PEER or /NAME/KEY."
    optParameters: ClassVar[list[Any]] = [
        ["quorum", "q", 0, "number of answers that are enough; 0 for all", whole(0)]
    ]


class PutOptions(_ValueOptions):
    """
    Options of C{put}.
    """

    operands = ("KEY", "VALUE")
    longdesc = "Stores the value of a key; VALUE is a text, or - for all of stdin."

    def parseArgs(self, key: str, value: str) -> None:  # type: ignore[override]
        super().parseArgs(key)
        self["value"] = value
