# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{twist libp2p} and C{twistd libp2p}: a node as a service.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from socket import gethostname
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import namedModule
from twisted.python.usage import Options as UsageOptions
from twisted.python.util import runAsEffectiveUser

from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.connmanager import ConnectionPolicy, ListGater
from twisted_libp2p.control.commands import commandsOf
from twisted_libp2p.control.server import ControlService
from twisted_libp2p.daemon.notify import notifyService
from twisted_libp2p.daemon.signals import HangupService, TerminationService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.identity.secrets import createFolder
from twisted_libp2p.interfaces import IPeerStore, ITransportProvider
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.options import whole
from twisted_libp2p.options.data import CONTROL_FILE, KEY_FILE
from twisted_libp2p.options.dht import DHTOptions
from twisted_libp2p.options.finding import FindingOptions
from twisted_libp2p.options.listening import defaultAddresses
from twisted_libp2p.options.reaching import addReaching
from twisted_libp2p.options.tunnels import TunnelOptions
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.protocols import echo, perf
from twisted_libp2p.quic.backends import installed
from twisted_libp2p.status import serveMetrics, serveStatus
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.transport.ports import SharedPorts
from twisted_libp2p.transport.unix import UnixSockets
from twisted_libp2p.transport.unix.access import MODE, fileMode, fileOwner
from twisted_libp2p.transport.websocket.transport import (
    SecureWebSockets,
    WebSockets,
)

__all__ = ["KEY_FILE", "NodeService", "Options", "makeService"]

_log = Logger()


class Options(FindingOptions, DHTOptions, TunnelOptions):
    """
    The command line of a node.
    """

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
        limits = Limits.scaled(connections=self["max-connections"])
        return {
            **super().nodeArguments(),
            "listen": self.listening(),
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
            return given
        if self["psk"] is not None or self["share-ports"]:
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


class Failed(SystemExit, Exception):
    """
    One line that says why the program cannot start.

    C{twistd} removes its pid file, and reports to the shell that has started the
    daemon, after an C{Exception}; Python ends with status 1 and the line alone
    after a C{SystemExit}.
    """


class NodeService(Node):
    """
    A node that ends the program if it cannot listen: its status page, its metrics and
    its tunnels included.
    """

    def privilegedStartService(self) -> None:
        """
        Start to listen, as C{twistd} asks for while it is still root.

        @raise Failed: an address or the port of a page cannot be listened on.
        """
        try:
            super().privilegedStartService()
        except Exception as error:
            raise _started(error) from None

    def startService(self) -> None:
        """
        Start to listen, unless that is done.

        @raise Failed: an address or the port of a page cannot be listened on.
        """
        super().startService()
        if not list(self.listeners) and not self.listeners.requested:
            self._log.info(
                "this node is {peer} and listens nowhere: without --no-listen"
                " peers can dial it",
                peer=self.peerID,
            )
        failures: list[Failure] = []
        local = [
            each
            for each in self.services
            if isinstance(each, LocalService) and each.needed
        ]
        listening: list[Any] = [self, *local]
        for each in listening:
            each.whenListening().addErrback(failures.append)
        if failures:
            raise _started(failures[0].value)


def _exit(error: object) -> Failed:
    """
    Return the exception that ends the program with one clear line.
    """
    return Failed(f"libp2p: {error}")


def _started(error: object) -> Failed:
    """
    Return the exception that ends the program after it has begun to log.  Twisted would
    write its line to the log alone, so it is written to the real stderr here.
    """
    failed = _exit(error)
    if sys.__stderr__ is not None and sys.stderr is not sys.__stderr__:
        with suppress(OSError):
            print(failed, file=sys.__stderr__, flush=True)
    return failed


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    Make the node that the options describe.

    @param reactor: its reactor; by default the global one.
    @raise Failed: an option has no usable value.
    """
    if reactor is None:
        # Importing it at the top of the module would install it before the user can
        # choose another one.
        from twisted.internet import reactor
    try:
        return _make(options, reactor)
    except (ValueError, OSError) as error:
        raise _exit(error) from None


def _peerStore(options: Options, reactor: Any) -> IPeerStore:
    """
    Make the peerstore.

    @raise ConfigurationError: it cannot be made, or has no limit that could be set.
    """
    where, limit, owner = (
        options["peerstore"],
        options["peerstore-limit"],
        options.owner(),
    )
    if limit is not None and where.partition(":")[0] == "memory":
        raise ConfigurationError(
            "--peerstore-limit is for a database: --peerstore sqlite:PATH or"
            " postgresql:DSN"
        )
    make = partial(openPeerStore, reactor, where, stored=limit)
    if owner is None:
        return make()
    # The check of the database has to run as the user that will create it.
    store: IPeerStore = runAsEffectiveUser(*owner, make)
    return store


def _make(options: Options, reactor: Any) -> Node:
    listening = SharedPorts(reactor) if options["share-ports"] else reactor
    arguments = options.nodeArguments()
    arguments["peerstore"] = _peerStore(options, reactor)
    node = NodeService(listening, **arguments)
    node.setName("libp2p")
    for name, serve in (("status", serveStatus), ("metrics", serveMetrics)):
        if options[name] is not None:
            serve(reactor, node, options[name], options["page-host"])
    notify = notifyService(reactor, node.conditions)
    if notify is not None:
        node.add(notify)
    if options["drain"] is not None:
        TerminationService(
            reactor, lambda: node.drain(options["drain"]), options["drain"]
        ).setServiceParent(node)
    if options["echo"]:
        node.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
    if options["perf"]:
        node.registry.register(perf.PROTOCOL_ID, perf.PerfFactory(reactor))
    addReaching(node, options)
    for service in options.discoveries(arguments["network"]):
        node.add(service)
    dht = options.dht()
    if dht is not None:
        node.add(dht)
    _addTunnels(node, options, reactor)
    return node


def _addTunnels(node: Node, options: Options, reactor: Any) -> None:
    """
    Add the tunnels, the lists of the peers that may use them, and the control socket.

    @raise ConfigurationError: an option has no usable value.
    """
    access = options.access()

    def reload() -> None:
        node.reload()
        try:
            access.reload()
        except ConfigurationError as error:
            _log.error("the lists stay as they were: {error}", error=error)

    files = (options[name] for name in ("tls-certificate", "groups", "data"))
    if os.name == "posix" and any(each is not None for each in files):
        HangupService(reactor, reload).setServiceParent(node)
    for port in options.tunnels(reactor, access):
        node.add(port)
    if access.book is None:
        return
    pairing = PairingService(access.book, gethostname().partition(".")[0])
    node.add(pairing)
    # Processes that share ports share the folder too.
    if os.name == "posix" and not options["share-ports"]:
        path = os.path.join(options["data"], CONTROL_FILE)
        commands = commandsOf(node, pairing)
        ControlService(reactor, path, commands).setServiceParent(node)
