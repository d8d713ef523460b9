# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The option by which a node runs in several processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node.running import DRAIN_TIME
from twisted_libp2p.options.command import CommandOptions, whole

__all__ = ["ProcessOptions"]

#: The options that each process would obey for itself, and the state that they need in
#: one place.
_ALONE = {
    "relay-service": "a relay has the connections of both sides in one process",
    "rendezvous-service": "each process would keep registrations of its own",
    "pubsub": "each process would join the topics under the same peer id",
    "open": "each process would listen there; run a second node for tunnels to peers",
    "socks": "each process would listen there; run a second node for the proxy",
    "page": "each process would listen there; run a second node for the page",
    "receive": "each process would write there; run a second node for files",
    "port-mapping": "each process would map the ports, and take them back when it ends",
    "share-ports": "the processes share the ports without it",
    "no-listen": "there is nothing to share without a port to listen on",
}


class ProcessOptions(CommandOptions):
    """
    The number of processes, and their common knowledge.

    @ivar given: the arguments of the command line.
    """

    optParameters: ClassVar[list[Any]] = [
        [
            "processes",
            None,
            None,
            "number of processes that accept connections, started again if they end",
            whole(1),
        ],
    ]

    optFlags: ClassVar[list[Any]] = [
        [
            "presence",
            None,
            "write to the database of --peerstore who is connected here",
        ],
        [
            "presence-dial",
            None,
            "reach peers through the relays of the fleet that they are connected to",
        ],
    ]

    given: Sequence[str] = ()

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line, and keep it for the other processes.

        @raise UsageError: it is invalid.
        """
        self.given = list(sys.argv[1:] if options is None else options)
        super().parseOptions(options)

    def checkProcesses(self) -> None:
        """
        Check that several processes can obey the other options, and let a process that
        is replaced finish its streams.

        @raise ConfigurationError: they cannot.
        """
        if self["drain"] is None:
            self["drain"] = DRAIN_TIME
        for option, reason in _ALONE.items():
            if self[option]:
                raise ConfigurationError(
                    f"--processes cannot be used with --{option}: {reason}"
                )
        if self["dht"] not in (None, "client"):
            raise ConfigurationError(
                f"--processes cannot be used with --dht {self['dht']}: each process"
                " would have records of its own; --dht client can be used"
            )
