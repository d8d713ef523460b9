# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{twist libp2p} and C{twistd libp2p}: a node as a service.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EADDRINUSE
from functools import partial
from socket import gethostname
from typing import Any

from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure
from twisted.python.util import runAsEffectiveUser

from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.daemon.collecting import CollectionService
from twisted_libp2p.daemon.notify import notifyService
from twisted_libp2p.daemon.reloading import Reloading
from twisted_libp2p.daemon.signals import HangupService, TerminationService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IDatabase, IPeerStore
from twisted_libp2p.logger import Logger
from twisted_libp2p.node import Node
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.daemon import Options
from twisted_libp2p.options.data import CONTROL_FILE, KEY_FILE
from twisted_libp2p.options.logformat import chooseFormat
from twisted_libp2p.options.reaching import addReaching
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.protocols import echo, perf
from twisted_libp2p.transport.inherited import activated, initialEnvironment
from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.transport.ports import InheritedPorts, SharedPorts
from twisted_libp2p.workers.settings import WorkerSettings

with loadedOnUse():
    from twisted_libp2p import presence, status
    from twisted_libp2p.access import pairing
    from twisted_libp2p.control import commands, server
    from twisted_libp2p.workers import program, worker

__all__ = ["KEY_FILE", "NodeService", "Options", "makeService"]

_log = Logger()

#: The line about a port that is in use goes on so.
_TAKEN = (
    "Another program has this port: name another one.  The node itself takes any free"
    " port with --listen /ip4/0.0.0.0/tcp/0, and none with --no-listen"
)


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
                "this node listens nowhere: without --no-listen peers can dial it"
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
    cause = error.socketError if isinstance(error, CannotListenError) else None
    if isinstance(cause, OSError) and cause.errno == EADDRINUSE:
        error = f"{error} {_TAKEN}"
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
        chooseFormat(options.parent, sys.argv)
        options.setLogLevels()
        settings = WorkerSettings.ofEnvironment(os.environ)
        if settings is None:
            # With --listen, other sockets may be for other purposes.
            options.sockets = activated(
                initialEnvironment(), os.getpid(), lenient=bool(options["listen"])
            )
        node = _make(options, reactor, settings)
        if settings is None:
            _log.info("this node is {peer}", peer=node.peerID)
        if options["processes"] is None or settings is not None:
            return node
        return program.superviseNode(options, reactor, node, options.sockets, _started)
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


def _listeningReactor(
    options: Options, reactor: Any, settings: WorkerSettings | None
) -> Any:
    """
    Return the reactor with the ports that the node listens on.
    """
    if options["share-ports"]:
        return SharedPorts(reactor)
    sockets = options.sockets if settings is None else settings.sockets
    return InheritedPorts(reactor, sockets) if sockets else reactor


def _make(options: Options, reactor: Any, settings: WorkerSettings | None) -> Node:
    """
    Make the node.

    @param settings: those of a worker; None if no supervisor has started this process.
    """
    if settings is not None:
        # The file of settings may have changed since the supervisor was started.
        options["processes"] = options["processes"] or 1
    if options["processes"] is not None:
        options.checkProcesses()
    arguments = options.nodeArguments()
    arguments["peerstore"] = _peerStore(options, reactor)
    if settings is not None:
        arguments.update(identity=settings.identity, listen=settings.listen)
    node = NodeService(_listeningReactor(options, reactor, settings), **arguments)
    node.setName("libp2p")
    working: worker.WorkerService | None = None
    if options["drain"] is not None:
        termination = TerminationService(
            reactor, lambda: node.drain(options["drain"]), options["drain"]
        )
        termination.setServiceParent(node)
        if settings is not None:
            working = worker.addWorker(reactor, node, settings, termination, options)
    if options["processes"] is None:
        _addReports(node, options, reactor)
    _addServices(node, options, arguments["network"], reactor)
    access = options.access()
    reload = Reloading(node, options, access, arguments["gater"])
    files = (options[name] for name in ("config", "tls-certificate", "groups", "data"))
    if os.name == "posix" and any(each is not None for each in files):
        HangupService(reactor, reload).setServiceParent(node)
    _addTunnels(node, options, access, reactor, working)
    if IDatabase.providedBy(node.peerstore):
        node.add(CollectionService())
    return node


def _addServices(node: Node, options: Options, network: Any, reactor: Any) -> None:
    """
    Add the protocols that are served, and the services that find and reach peers.

    @param network: the private network; None for the public one.
    """
    if options["echo"]:
        node.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
    if options["perf"]:
        node.registry.register(perf.PROTOCOL_ID, perf.PerfFactory(reactor))
    addReaching(node, options)
    autoTLS = options.autoTLS()
    if autoTLS is not None:
        node.add(autoTLS)
    for service in (*options.discoveries(network), *options.pubsub()):
        node.add(service)
    dht = options.dht()
    if dht is not None:
        node.add(dht)
        for service in options.meetings(dht):
            node.add(service)
    if options["presence"] or options["presence-dial"]:
        ours = presence.Presence()
        node.add(ours)
        if options["presence-dial"]:
            node.add(presence.PresenceRouting(ours))


def _addReports(node: Node, options: Options, reactor: Any) -> None:
    """
    Add the pages, and the reports to the service manager.
    """
    hosts = options["page-host"]
    if options["status"] is not None:
        status.serveStatus(reactor, node, options["status"], hosts)
    if options["page"] is not None:
        status.servePeerPage(
            reactor, node, options["page"], options["page-files"], hosts
        )
    if options["metrics"] is not None:
        status.serveMetrics(reactor, node, options["metrics"], hosts)
    notify = notifyService(
        reactor, node.conditions, lambda: f"{len(node.connections)} connections"
    )
    if notify is not None:
        node.add(notify)


def _addTunnels(
    node: Node,
    options: Options,
    access: AccessLists,
    reactor: Any,
    working: worker.WorkerService | None,
) -> None:
    """
    Add the tunnels, the folder for files, pairing, and the control socket.

    @param access: the lists of the peers that may use a tunnel.
    @param working: the part of a worker that asks its supervisor.
    @raise ConfigurationError: an option has no usable value.
    """
    for port in options.tunnels(reactor, access):
        node.add(port)
    inbox = options.inbox(access)
    if inbox is not None:
        node.add(inbox)
    if access.book is None:
        return
    admit = None if working is None else working.admit
    title = gethostname().partition(".")[0]
    invites = pairing.PairingService(access.book, title, admit=admit)
    node.add(invites)
    if working is not None:
        working.pairing = invites
    # Processes that share ports share the folder too.
    alone = options["processes"] is None and not options["share-ports"]
    if os.name == "posix" and alone:
        path = os.path.join(options["data"], CONTROL_FILE)
        known = commands.commandsOf(node, invites)
        server.ControlService(reactor, path, known).setServiceParent(node)
