# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of tunnels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from twisted.python.usage import CompleteFiles, Completions, UsageError

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHostService
from twisted_libp2p.options.command import byteCount, seconds
from twisted_libp2p.options.data import BOOK_FILE, DataOptions
from twisted_libp2p.options.looking import LookingOptions
from twisted_libp2p.options.node import NodeOptions
from twisted_libp2p.protocols.forward import Traffic
from twisted_libp2p.protocols.idle import IdleRule
from twisted_libp2p.protocols.throttle import Throttle
from twisted_libp2p.tunnel.door.places import PROTOCOLS, Places, parsePort
from twisted_libp2p.tunnel.door.service import Door
from twisted_libp2p.tunnel.prefaces import naming
from twisted_libp2p.tunnel.served import ServedPort, parseServe
from twisted_libp2p.tunnel.target import TunnelText, protocolOf
from twisted_libp2p.tunnel.tunnel import Tunnel

__all__ = ["ForwardOptions", "TunnelOptions"]

T = TypeVar("T")


def _traffic(reactor: Any, rate: int | None, idle: float | None) -> Traffic:
    """
    Make the counts and the limits of a tunnel.
    """
    return Traffic(
        None if rate is None else Throttle(reactor, rate),
        None if idle is None else IdleRule(reactor, idle),
    )


class TunnelOptions(NodeOptions):
    """
    The tunnels of a node, in both directions, and who may use them.
    """

    optParameters: ClassVar[list[Any]] = [
        ["groups", None, None, "file of groups of peers, for --allow-for"],
        ["socks", None, None, "listen here as a proxy that reaches peers: tcp:1080"],
    ]
    compData = Completions(optActions={"groups": CompleteFiles()})

    @property
    def unforwarded(self) -> Sequence[str]:
        """
        The served protocols that C{--allow-for} may name, without C{--serve}.
        """
        return ()

    def __init__(self) -> None:
        super().__init__()
        self["serve"] = []
        self["name-peer"] = []
        self["allow-for"] = []
        self["open"] = []
        self["rate-for"] = []
        self["idle-for"] = []
        self["socks-port"] = []

    def opt_serve(self, forward: str) -> None:
        """
        forward a protocol, such as /http/1.1=tcp:localhost:8080; may be repeated
        """
        self["serve"].append(forward)

    def opt_name_peer(self, way: str) -> None:
        """
        name the peer to that server, by /http/1.1=http or =proxy; may be repeated
        """
        self["name-peer"].append(way)

    def opt_allow_for(self, rule: str) -> None:
        """
        serve /ssh/1.0.0=PEER,@GROUP to these peers alone; may be repeated
        """
        self["allow-for"].append(rule)

    def opt_rate_for(self, limit: str) -> None:
        """
        limit a tunnel, such as /http/1.1=1M or tcp:2222=500k bytes/s; may be repeated
        """
        self["rate-for"].append(limit)

    def opt_idle_for(self, limit: str) -> None:
        """
        end its streams after, such as /http/1.1=600, seconds without a byte
        """
        self["idle-for"].append(limit)

    def opt_open(self, tunnel: str) -> None:
        """
        listen here for a peer, such as tcp:2222=PEER/ssh/1.0.0; may be repeated
        """
        self["open"].append(tunnel)

    def opt_socks_port(self, port: str) -> None:
        """
        reach this protocol by a port, as 5432=/postgresql/1.0.0; may be repeated
        """
        self["socks-port"].append(port)

    def access(self) -> AccessLists:
        """
        Return the lists of peers.

        @raise ConfigurationError: a file is malformed.
        """
        folder = self["data"]
        book = None if folder is None else PeerBook(os.path.join(folder, BOOK_FILE))
        return AccessLists(self["groups"], book)

    def _byProtocol(
        self, option: str, value: str, others: Sequence[str] = ()
    ) -> Iterator[tuple[str, str]]:
        """
        Take the values of an option apart.

        @param value: names the part after the equals sign, for an error.
        @param others: further protocols that it may name.
        """
        served = [*others, *(text.partition("=")[0] for text in self["serve"])]
        for text in self[option]:
            protocol, _, rest = text.partition("=")
            if not rest:
                raise ConfigurationError(
                    f"--{option} {text}: it has to be PROTOCOL={value}"
                )
            if protocol not in served:
                raise ConfigurationError(
                    f"--{option} {text}: it needs --serve {protocol}=ENDPOINT"
                )
            yield protocol, rest

    def rules(self, access: AccessLists) -> dict[str, Callable[[PeerID], bool]]:
        """
        Return the functions that decide which peers may use a protocol, by the
        protocols that have a list.

        @raise ConfigurationError: an entry of a list is malformed.
        """
        lists: dict[str, list[str]] = {}
        for protocol, entries in self._byProtocol(
            "allow-for", "PEER,@GROUP", self.unforwarded
        ):
            lists.setdefault(protocol, []).extend(entries.split(","))
        return {
            protocol: access.permits(entries) for protocol, entries in lists.items()
        }

    def tunnels(self, reactor: Any, access: AccessLists) -> Iterator[IHostService]:
        """
        Make the services of the tunnels.

        @param access: the lists of peers.
        @raise ConfigurationError: an option has no usable value.
        """
        ways = {
            protocol: naming(way)
            for protocol, way in self._byProtocol("name-peer", "http or proxy")
        }
        rules = self.rules(access)
        limits = self._limits(reactor)
        for text in self["serve"]:
            protocol, endpoint = parseServe(text, reactor)
            yield ServedPort(
                protocol,
                endpoint,
                text.partition("=")[2],
                preface=ways.get(protocol),
                allow=rules.get(protocol),
                traffic=limits(protocol),
            )
        names = set()
        for text in self["open"]:
            parsed = TunnelText.parse(text)
            traffic = limits(parsed.local)
            tunnel = self._open(reactor, parsed, access.book, traffic)
            if tunnel.name in names:
                raise ConfigurationError(f"--open {text}: there is this tunnel already")
            names.add(tunnel.name)
            yield tunnel
        yield from self._doors(reactor, access.book, limits)

    def _doors(
        self,
        reactor: Any,
        book: PeerBook | None,
        limits: Callable[[str], Traffic],
    ) -> Iterator[Door]:
        """
        Make the door, if there is to be one.

        @raise ConfigurationError: an option has no usable value.
        """
        ports = dict(parsePort(text) for text in self["socks-port"])
        if self["socks"] is None:
            if ports:
                raise ConfigurationError(
                    f"--socks-port {self['socks-port'][0]}: it needs --socks ENDPOINT"
                )
            return

        def named(name: str) -> tuple[PeerID, Iterable[Multiaddr]] | None:
            entry = None if book is None else book.find(name)
            return None if entry is None else (entry.peer, entry.addresses)

        places = Places(named, {**PROTOCOLS, **ports})
        yield Door(reactor, self["socks"], places, limits(self["socks"]))

    def _limits(self, reactor: Any) -> Callable[[str], Traffic]:
        """
        Return the function that makes the counts and limits of a tunnel, from its
        protocol or the local endpoint of an opened one.

        @raise ConfigurationError: a limit is malformed, or there is no such tunnel.
        """
        rates = self._perTunnel("rate-for", "BYTES", "500k", byteCount)
        idle = self._perTunnel("idle-for", "SECONDS", "600", seconds)
        return lambda name: _traffic(reactor, rates.get(name), idle.get(name))

    def _perTunnel(
        self, option: str, unit: str, example: str, parse: Callable[[str], T]
    ) -> dict[str, T]:
        """
        Return the values of an option, by the names of tunnels.

        @param unit: names the value, for an error.
        @param parse: reads a value.
        @raise ConfigurationError: a value is malformed, or there is no such tunnel.
        """
        names = [text.partition("=")[0] for text in self["serve"]]
        names += [TunnelText.parse(text).local for text in self["open"]]
        names += [] if self["socks"] is None else [self["socks"]]
        values = {}
        for text in self[option]:
            # An endpoint may have equals signs of its own.
            name, _, value = text.rpartition("=")
            try:
                parsed = parse(value)
            except ValueError:
                raise ConfigurationError(
                    f"--{option} {text}: it has to be PROTOCOL={unit} or"
                    f" ENDPOINT={unit}, such as /http/1.1={example}"
                ) from None
            if name not in names:
                raise ConfigurationError(
                    f"--{option} {text}: there is no --serve {name}=ENDPOINT, no"
                    f" --open {name}=PEER/PROTOCOL, and no --socks {name}"
                )
            values[name] = parsed
        return values

    def _open(
        self,
        reactor: Any,
        tunnel: TunnelText,
        book: PeerBook | None,
        traffic: Traffic,
    ) -> Tunnel:
        """
        Make a tunnel, whose peer may be a paired one.
        """
        local, target, protocol = tunnel
        entry = None if book is None else book.find(target)
        if entry is None:
            return Tunnel(reactor, local, target, protocol, traffic=traffic)
        return Tunnel(reactor, local, entry.peer, protocol, entry.addresses, traffic)

    opt_s = opt_serve


class ForwardOptions(DataOptions, LookingOptions):
    """
    Options of C{forward}.
    """

    operands = ("LOCAL", "PEER", "PROTOCOL")
    longdesc = (
        "Listens at LOCAL, an endpoint such as tcp:2222, and opens a stream of PROTOCOL"
        " to PEER for each connection, until it is interrupted.  PEER is the name of a"
        " paired peer, a multiaddr, or a peer id with --bootstrap or the like.  With"
        " --stdio there is no LOCAL: one stream is joined with stdin and stdout, as"
        " ProxyCommand of ssh wants it."
    )
    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 30.0, "maximum time to connect, in seconds", seconds],
        [
            "rate",
            None,
            None,
            "maximum bytes a second each way, such as 500k",
            byteCount,
        ],
        [
            "idle",
            None,
            None,
            "end a stream after so many seconds without a byte",
            seconds,
        ],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["stdio", None, "join one stream with stdin and stdout, without LOCAL"],
    ]

    def checkOperands(self, given: list[str], options: set[str]) -> None:
        """
        Check that there are as many operands as there have to be.
        """
        if "--stdio" in options:
            if len(given) == len(self.operands):
                raise UsageError(f"--stdio has no LOCAL: leave out {given[0]!r}")
            given = ["", *given]
        super().checkOperands(given, options)

    def parseArgs(self, *operands: str) -> None:
        *local, peer, protocol = operands
        self["local"] = local[0] if local else None
        self["known"] = self.book().find(peer)
        self["address"] = peer if self["known"] is None else str(self["known"].peer)
        try:
            self["protocol"] = protocolOf(protocol)
        except ConfigurationError as error:
            raise UsageError(str(error)) from None

    def traffic(self, reactor: Any) -> Traffic:
        """
        Make the counts and the limits of the tunnel.
        """
        return _traffic(reactor, self["rate"], self["idle"])
