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
from typing import Any

from twisted.application.service import IService
from twisted.python.failure import Failure
from twisted.python.util import runAsEffectiveUser

from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.control.commands import commandsOf
from twisted_libp2p.control.server import ControlService
from twisted_libp2p.daemon.notify import notifyService
from twisted_libp2p.daemon.reloading import Reloading
from twisted_libp2p.daemon.signals import HangupService, TerminationService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.node import Node
from twisted_libp2p.options.daemon import Options
from twisted_libp2p.options.data import CONTROL_FILE, KEY_FILE
from twisted_libp2p.options.reaching import addReaching
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.protocols import echo, perf
from twisted_libp2p.status import serveMetrics, serveStatus
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.transport.ports import SharedPorts

__all__ = ["KEY_FILE", "NodeService", "Options", "makeService"]


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
    access = options.access()
    reload = Reloading(node, options, access, arguments["gater"])
    files = (options[name] for name in ("config", "tls-certificate", "groups", "data"))
    if os.name == "posix" and any(each is not None for each in files):
        HangupService(reactor, reload).setServiceParent(node)
    _addTunnels(node, options, access, reactor)
    return node


def _addTunnels(
    node: Node, options: Options, access: AccessLists, reactor: Any
) -> None:
    """
    Add the tunnels, pairing, and the control socket.

    @param access: the lists of the peers that may use a tunnel.
    @raise ConfigurationError: an option has no usable value.
    """
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
