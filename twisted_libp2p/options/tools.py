# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of the program C{libp2p} and its tools.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from twisted.python.usage import CompleteFiles, Completions, UsageError

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import KeyType
from twisted_libp2p.negotiation.protocolids import proposals
from twisted_libp2p.options.command import CommandOptions, seconds, whole
from twisted_libp2p.options.completion import CompleteWords, toolsOf
from twisted_libp2p.options.data import AcceptOptions, ControlOptions, StatusOptions
from twisted_libp2p.options.dht import (
    FindOptions,
    GetOptions,
    ProvideOptions,
    ProvidersOptions,
    PutOptions,
)
from twisted_libp2p.options.listening import defaultAddresses
from twisted_libp2p.options.looking import LookingOptions
from twisted_libp2p.options.node import NodeOptions
from twisted_libp2p.options.output import OutputOptions
from twisted_libp2p.options.shells import SHELLS
from twisted_libp2p.options.topics import PublishOptions, SubscribeOptions
from twisted_libp2p.options.transfer import ReceiveOptions, SendOptions
from twisted_libp2p.options.tunnels import ForwardOptions
from twisted_libp2p.protocols.perf import MAX_SIZE, Header
from twisted_libp2p.quic.backends import installed

__all__ = ["ToolOptions"]


def _header(text: str) -> int:
    with suppress(ValueError):
        return Header(int(text)).value
    sizes = " or ".join(str(each.value) for each in Header)
    raise ValueError(f"{text!r} is not the size of a header: {sizes}")


class _FileOptions(OutputOptions):
    """
    Options of C{id}.
    """

    operands = ("FILE",)
    longdesc = "Prints the peer id of a key: in base58, base32 and base36."
    compData = Completions(extraActions=[CompleteFiles()])

    def parseArgs(self, path: str) -> None:  # type: ignore[override]
        self["path"] = path


class _KeyOptions(_FileOptions):
    """
    Options of C{keygen}.
    """

    longdesc = "Makes a private key in a new file, and prints its peer id."
    optParameters: ClassVar[list[Any]] = [
        [
            "type",
            "t",
            "ed25519",
            "one of: " + ", ".join(each.name.lower() for each in KeyType),
        ],
    ]
    compData = Completions(
        optActions={"type": CompleteWords(each.name.lower() for each in KeyType)}
    )

    def postOptions(self) -> None:
        if self["type"].upper() not in KeyType.__members__:
            raise UsageError(
                f"no key type {self['type']!r}: choose from "
                + ", ".join(each.lower() for each in KeyType.__members__)
            )


class _PeerOptions(LookingOptions):
    """
    Options of the tools that talk to a peer.
    """

    operands: ClassVar[tuple[str, ...]] = ("ADDRESS",)
    longdesc = (
        "ADDRESS is a multiaddr such as /ip4/192.0.2.1/tcp/4001, with /p2p/ and the"
        " id of the peer at its end to refuse any other peer; or the id alone, with"
        " --bootstrap, --mdns or --routing-url, which say where to look for the peer."
    )
    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 30.0, "maximum time to connect, in seconds", seconds],
    ]

    def parseArgs(self, address: str) -> None:  # type: ignore[override]
        self["address"] = address
        if "/quic-v1" in address and not installed():
            raise UsageError(
                f"{address} needs QUIC: pip install 'twisted-libp2p[quic]'"
            )


class _ReachabilityOptions(OutputOptions, NodeOptions):
    """
    Options of C{reachability}.
    """

    operands = ("ADDRESS...",)
    longdesc = (
        "Listens on port 4001, lets the peers at these addresses try to dial this"
        " machine, and prints whether they can, and why not.  They have to speak"
        " AutoNAT; two in different networks are needed for a sure answer."
    )
    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 30.0, "maximum time to connect, in seconds", seconds],
        ["wait", None, 60.0, "maximum time to wait for answers, in seconds", seconds],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, address: str) -> None:
        """
        listen here instead, as on /ip4/0.0.0.0/tcp/4002; may be repeated
        """
        self["listen"].append(address)

    def parseArgs(self, *addresses: str) -> None:
        self["addresses"] = addresses

    def postOptions(self) -> None:
        self["listen"] = self["listen"] or list(defaultAddresses(bool(installed())))


class _PingOptions(OutputOptions, _PeerOptions):
    """
    Options of C{ping}.
    """

    optParameters: ClassVar[list[Any]] = [["count", "c", 4, "how many pings", whole(1)]]


class _IdentifyOptions(OutputOptions, _PeerOptions):
    """
    Options of C{identify}.
    """


class _PipeOptions(_PeerOptions):
    """
    Options of C{pipe}.
    """

    operands = ("ADDRESS", "PROTOCOL")

    def parseArgs(  # type: ignore[override]
        self, address: str, protocol: str
    ) -> None:
        super().parseArgs(address)
        self["protocol"] = protocol
        try:
            proposals(protocol)
        except ConfigurationError as error:
            raise UsageError(str(error)) from None


class _PerfOptions(OutputOptions, _PeerOptions):
    """
    Options of C{perf}.
    """

    optParameters: ClassVar[list[Any]] = [
        ["upload", "u", 0, "bytes to send", whole(0, MAX_SIZE)],
        ["download", "d", 0, "bytes to receive after that", whole(0, MAX_SIZE)],
        ["header", None, 8, "bytes of the header that the peer expects", _header],
    ]

    def postOptions(self) -> None:
        if not (self["upload"] or self["download"]):
            raise UsageError("nothing to measure: give --upload, --download or both")


class _PeersOptions(OutputOptions):
    """
    Options of C{peers}.
    """

    longdesc = "Lists the peers of a peerstore, and their addresses."
    optParameters: ClassVar[list[Any]] = [
        ["peerstore", None, None, "kept in sqlite:PATH or postgresql:DSN"],
        ["import", None, None, "file of JSON lines to add first; - for stdin"],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["export", None, "write the whole peerstore, as JSON lines"],
    ]
    compData = Completions(optActions={"import": CompleteFiles()})

    def postOptions(self) -> None:
        if self["export"] and self["json"]:
            raise UsageError("--export writes JSON already: leave out --json")


class _CompletionOptions(CommandOptions):
    """
    Options of C{completion}.
    """

    operands = ("SHELL",)
    longdesc = (
        "Prints the completion of this program for a shell: "
        + ", ".join(SHELLS)
        + '.  For bash, write eval "$(libp2p completion bash)" into ~/.bashrc.'
    )
    compData = Completions(extraActions=[CompleteWords(SHELLS)])

    def parseArgs(self, shell: str) -> None:  # type: ignore[override]
        if shell not in SHELLS:
            raise UsageError(
                f"there is no completion for {shell!r}: choose from {', '.join(SHELLS)}"
            )
        self["shell"] = shell

    def script(self) -> str:
        """
        Return the completion in the language of the shell.
        """
        tools = toolsOf(ToolOptions.subCommands)
        return SHELLS[self["shell"]]("libp2p", list(tools))


class ToolOptions(CommandOptions):
    """
    The tools.
    """

    synopsis = "Usage: libp2p TOOL ..."
    longdesc = (
        "Small tools for keys, peers and peerstores; libp2p TOOL --help describes one."
    )
    subCommands: ClassVar[list[Any]] = [
        ["keygen", None, _KeyOptions, "make a private key and print its peer id"],
        ["id", None, _FileOptions, "print the peer id of a private key"],
        ["ping", None, _PingOptions, "measure the round trip to a peer"],
        ["identify", None, _IdentifyOptions, "ask a peer for its description"],
        [
            "reachability",
            None,
            _ReachabilityOptions,
            "find out whether peers can dial this machine",
        ],
        ["perf", None, _PerfOptions, "measure the throughput to a peer and back"],
        ["pipe", None, _PipeOptions, "join stdin and stdout with a stream"],
        ["forward", None, ForwardOptions, "make a port here a protocol of a peer"],
        ["send", None, SendOptions, "send a file to a peer"],
        ["receive", None, ReceiveOptions, "receive files into a folder"],
        ["publish", None, PublishOptions, "publish the lines of stdin in a topic"],
        ["subscribe", None, SubscribeOptions, "print the messages of a topic"],
        ["invite", None, ControlOptions, "let another machine pair with our node"],
        ["accept", None, AcceptOptions, "pair with the node that has made a ticket"],
        ["status", None, StatusOptions, "print the state of our running node"],
        ["peers", None, _PeersOptions, "list, export and import a peerstore"],
        ["find", None, FindOptions, "find the addresses of a peer in a DHT"],
        ["providers", None, ProvidersOptions, "find the providers of content"],
        ["provide", None, ProvideOptions, "announce that this node has content"],
        ["put", None, PutOptions, "store a value in a DHT"],
        ["get", None, GetOptions, "find a value in a DHT"],
        ["completion", None, _CompletionOptions, "print the completion of a shell"],
    ]

    def postOptions(self) -> None:
        if self.subCommand is None:
            tools = ", ".join(name for name, *_ in self.subCommands)
            raise UsageError(f"name a tool: {tools}")
