# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{twist libp2p --processes N}: the supervisor that the options describe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.daemon.notify import notifyService
from twisted_libp2p.daemon.signals import HangupService, TerminationService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger
from twisted_libp2p.node import Node
from twisted_libp2p.options.data import CONTROL_FILE
from twisted_libp2p.transport.inherited import InheritedSocket, matched
from twisted_libp2p.workers.command import environment, workerCommand
from twisted_libp2p.workers.control import serveFleetControl
from twisted_libp2p.workers.pages import serveFleetMetrics, serveFleetStatus
from twisted_libp2p.workers.service import SupervisorService

__all__ = ["superviseNode"]

_log = Logger()


def superviseNode(
    options: Any,
    reactor: Any,
    node: Node,
    sockets: Sequence[InheritedSocket],
    failed: Callable[[object], Exception],
) -> SupervisorService:
    """
    Make the supervisor of a node.

    @param options: the options of C{twist libp2p}.
    @param node: the node that the options describe, which is not started: it shows that
        they can be used.
    @param sockets: the sockets that systemd has opened.
    @param failed: returns the exception that ends the program, for an error.
    @raise ConfigurationError: several processes cannot do what the options ask for.
    """
    if os.name != "posix":
        raise ConfigurationError("--processes needs a system such as Linux or macOS")
    requested = node.listeners.requested
    addresses = [each for each in requested if isinstance(each, Multiaddr)]
    if len(addresses) < len(requested):
        raise ConfigurationError(
            "--processes: several processes cannot listen on an endpoint: only on"
            " addresses of TCP, such as /ip4/0.0.0.0/tcp/4001"
        )
    command, capture = workerCommand(reactor, options.parent, options.given)
    inherited, _ = matched(sockets, addresses)
    supervisor = SupervisorService(
        reactor,
        node.identity,
        addresses,
        options["processes"],
        command,
        environment(),
        drain=options["drain"],
        inherited=inherited,
        folder=os.getcwd(),
        capture=capture,
        failed=failed,
    )
    supervisor.setName("libp2p")
    for name, serve in (("status", serveFleetStatus), ("metrics", serveFleetMetrics)):
        if options[name] is not None:
            serve(reactor, supervisor, options[name], options["page-host"])
    book = options.access().book
    if book is not None:
        path = os.path.join(options["data"], CONTROL_FILE)
        serveFleetControl(reactor, supervisor, book, path)
    notify = notifyService(
        reactor,
        supervisor.conditions,
        lambda: f"{len(supervisor.places)} processes",
    )
    if notify is not None:
        notify.setServiceParent(supervisor)
    supervisor.listening = lambda found: _log.info(
        "{count} processes are reached at {addresses}",
        count=options["processes"],
        addresses=" ".join(found),
    )
    HangupService(reactor, supervisor.roll).setServiceParent(supervisor)
    TerminationService(reactor, supervisor.drain, options["drain"]).setServiceParent(
        supervisor
    )
    return supervisor
