# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The command line of C{twist libp2p}.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from twisted.python.reflect import namedModule
from twisted.python.usage import Options as UsageOptions

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ConnectionPolicy, ListGater
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.identity.secrets import createFolder
from twisted_libp2p.interfaces import ITransportProvider
from twisted_libp2p.limits import Limits
from twisted_libp2p.logger import Logger
from twisted_libp2p.options.autotls import AutoTLSOptions
from twisted_libp2p.options.command import whole
from twisted_libp2p.options.config import ConfigOptions
from twisted_libp2p.options.data import KEY_FILE
from twisted_libp2p.options.dht import DHTOptions
from twisted_libp2p.options.finding import FindingOptions
from twisted_libp2p.options.inbox import InboxOptions
from twisted_libp2p.options.listening import defaultAddresses
from twisted_libp2p.options.logging import LogOptions
from twisted_libp2p.options.processes import ProcessOptions
from twisted_libp2p.options.topics import TopicServiceOptions
from twisted_libp2p.protocols import echo, perf
from twisted_libp2p.quic.backends import installed
from twisted_libp2p.transport.endpoint import PREFIX
from twisted_libp2p.transport.inherited import InheritedSocket, matched
from twisted_libp2p.transport.unix import UnixSockets
from twisted_libp2p.transport.unix.access import MODE, fileMode, fileOwner
from twisted_libp2p.transport.websocket.transport import (
    SecureWebSockets,
    WebSockets,
)

__all__ = ["Options"]

_log = Logger()


class Options(
    AutoTLSOptions,
    FindingOptions,
    DHTOptions,
    InboxOptions,
    TopicServiceOptions,
    ProcessOptions,
    LogOptions,
    ConfigOptions,
):
    """
    The command line of a node.
    """

    pairs = frozenset(
        {
            "allow-for",
            "idle-for",
            "name-peer",
            "open",
            "rate-for",
            "serve",
            "socks-port",
        }
    )

    synopsis = "[--listen ADDRESS ...] [--serve PROTOCOL=ENDPOINT ...] [options]"

    longdesc = (
        "Runs a libp2p node, which answers ping and identify, and serves the protocols"
        " that its options name.  It logs the full addresses to dial it at."
    )

    optParameters: ClassVar[list[Any]] = [
        ["peerstore", None, "memory:", "kept in sqlite:PATH or postgresql:DSN"],
        [
            "peerstore-limit",
            None,
            None,
            "the most peers in that database, for all that use it",
            whole(1),
        ],
        ["status", None, None, "serve a status page here, such as on tcp:8080"],
        ["metrics", None, None, "serve Prometheus metrics here, such as on tcp:9100"],
        [
            "page",
            None,
            None,
            "serve a web page that dials this node here, such as on tcp:8080",
        ],
        ["page-files", None, "examples/browser/build", "folder of that page"],
        ["low-water", None, None, "connections that are left after trimming", whole(0)],
        [
            "high-water",
            None,
            None,
            "connections above which they are trimmed",
            whole(0),
        ],
        [
            "max-connections",
            None,
            None,
            "maximum number of connections",
            whole(0),
        ],
        ["tls-certificate", None, None, "certificate to listen on /wss with, in PEM"],
        ["tls-key", None, None, "its key; in the same file by default"],
        ["unix-mode", None, None, "mode of Unix sockets, such as 660", fileMode],
        ["unix-owner", None, None, "their owner, USER or USER:GROUP", fileOwner],
        [
            "drain",
            None,
            None,
            "seconds in which streams may end after SIGTERM, before the program does",
            whole(1),
        ],
        ["data", "d", None, f"folder for the files of the node, such as {KEY_FILE}"],
    ]

    optFlags: ClassVar[list[Any]] = [
        ["echo", None, f"serve {echo.PROTOCOL_ID}"],
        ["relay-service", None, "be a relay for peers that cannot be dialed"],
        ["port-mapping", None, "have the router forward the ports that we listen on"],
        ["perf", None, f"serve {perf.PROTOCOL_ID}: as many bytes as a peer asks for"],
        ["share-ports", None, "other processes may listen on the same addresses"],
        [
            "no-reachability",
            None,
            "neither ask peers to dial this node, nor dial others that ask",
        ],
        ["no-listen", None, "listen nowhere, and only dial"],
    ]

    def __init__(self) -> None:
        super().__init__()
        # The sockets that systemd has opened.
        self.sockets: list[InheritedSocket] = []
        self["listen"] = []
        self["announce"] = []
        self["relay"] = []
        self["allow"] = []
        self["block"] = []
        self["page-host"] = []
        self["trust-proxy"] = []
        self["allow-origin"] = []

    def opt_listen(self, address: str) -> None:
        """
        listen here, as on /ip4/0.0.0.0/tcp/9; may be repeated; by default on port 4001
        """
        self["listen"].append(address)

    def opt_announce(self, address: str) -> None:
        """
        state this address of ours to peers too, such as a gateway's; may be repeated
        """
        self["announce"].append(address)

    def opt_relay(self, address: str) -> None:
        """
        be reached through this relay, /ip4/.../p2p/...; repeated; or auto
        """
        self["relay"].append(address)

    def opt_allow(self, entry: str) -> None:
        """
        refuse all but these peers, addresses or subnets; may be repeated
        """
        self["allow"].append(entry)

    def opt_block(self, entry: str) -> None:
        """
        refuse this peer, address or subnet; may be repeated
        """
        self["block"].append(entry)

    def opt_trust_proxy(self, network: str) -> None:
        """
        believe proxies there about their clients, such as 10.0.0.0/8; may be repeated
        """
        self["trust-proxy"].append(network)

    def opt_allow_origin(self, origin: str) -> None:
        """
        refuse /ws from web pages but of https://example.com; may be repeated
        """
        self["allow-origin"].append(origin)

    def opt_page_host(self, host: str) -> None:
        """
        further host name that pages and metrics accept; may be repeated
        """
        self["page-host"].append(host)

    def nodeArguments(self) -> dict[str, Any]:
        """
        Return the keyword arguments of a node that runs as a service.
        """
        marks = {
            name: self[option]
            for name, option in (("lowWater", "low-water"), ("highWater", "high-water"))
            if self[option] is not None
        }
        limits = Limits.scaled(
            connections=self["max-connections"], processes=self["processes"] or 1
        )
        return {
            **super().nodeArguments(),
            "listen": self.withSecure(self.listening()),
            "announce": self["announce"],
            "reachability": not self["no-reachability"],
            "proxies": self["trust-proxy"],
            "peerstore": self["peerstore"],
            # Default marks stay below the cap.
            "policy": ConnectionPolicy.scaled(limits.system.connections, **marks),
            "limits": limits,
            "gater": ListGater(
                blocked=self["block"],
                allowed=self["allow"],
                only=bool(self["allow"]),
            ),
        }

    def listening(self) -> list[str]:
        """
        Return the addresses to listen on.

        @raise ConfigurationError: there are some, although there shall be none.
        """
        given: list[str] = self["listen"]
        if self["no-listen"]:
            if given:
                raise ConfigurationError(f"--no-listen contradicts --listen {given[0]}")
            return []
        if given:
            addresses = [each for each in given if not each.startswith(PREFIX)]
            _, unused = matched(self.sockets, Multiaddr.several(addresses))
            # An endpoint may be one of systemd.
            for each in unused if addresses == given else ():
                _log.warn(
                    "systemd has opened {address}, which no --listen names",
                    address=str(each.address),
                )
            return given
        if self.sockets:
            return [str(each.address) for each in self.sockets]
        if self["psk"] is not None or self["share-ports"] or self["processes"]:
            # Private networks have no QUIC, and its ports cannot be shared.
            return list(defaultAddresses(False))
        if not installed():
            _log.info(
                "listening on TCP alone: QUIC needs the extra twisted-libp2p[quic]"
            )
        return list(defaultAddresses(installed()))

    def webSockets(self) -> list[ITransportProvider]:
        """
        Return the providers of WebSockets that have options of their own.
        """
        roots, certificate = self["tls-roots"], self["tls-certificate"]
        if certificate is None and self["tls-key"] is not None:
            raise ConfigurationError(
                "--tls-key needs --tls-certificate FILE, the certificate of the key"
            )
        origins = self["allow-origin"] or None
        autoTLS = self.autoTLS()
        if autoTLS is not None:
            certificate = autoTLS.certificate
        own: list[ITransportProvider] = []
        if origins is not None:
            own.append(WebSockets(origins))
        if origins is not None or roots is not None or certificate is not None:
            own.append(SecureWebSockets(roots, certificate, self["tls-key"], origins))
        return own

    def providers(self) -> list[ITransportProvider]:
        """
        Return the providers of the transports that have options of their own.
        """
        found = super().providers()
        mode, owner = self["unix-mode"], self["unix-owner"] or self.owner()
        if mode is not None or owner is not None:
            found.append(UnixSockets(MODE if mode is None else mode, owner))
        return found

    def identity(self) -> Identity | None:
        """
        Return the identity of the node: by default the key in the data folder.
        """
        folder = self["data"]
        if folder is not None:
            createFolder(folder, self.owner())
            if self["identity"] is None:
                self["identity"] = os.path.join(folder, KEY_FILE)
        return super().identity()

    def owner(self) -> tuple[int, int] | None:
        """
        Return the user and the group that C{twistd} will run the program as, by its
        options C{--uid} and C{--gid}; None if it does not change them.
        """
        parent = self.parent
        if not isinstance(parent, UsageOptions) or not _isRoot():
            return None
        uid, gid = parent.get("uid"), parent.get("gid")
        if uid is None and gid is None:
            return None
        if gid is None:
            gid = namedModule("pwd").getpwuid(uid).pw_gid
        return os.geteuid() if uid is None else uid, gid

    opt_l = opt_listen


def _isRoot() -> bool:
    """
    Return whether the process may change its user.
    """
    return os.name == "posix" and os.geteuid() == 0
