# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The control socket of a node in several processes: the supervisor answers for all
workers, and decides which peers are paired.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.access.admission import Admission
from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.ticket import Ticket
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.control.commands import MAX_SHOWN
from twisted_libp2p.control.server import Command, ControlService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["FleetControl", "serveFleetControl"]

#: The entries of a state that are lists, and joined.
_LISTS = ("peers", "tunnels", "served", "doors")


class FleetControl:
    """
    Answers the commands of the tools.

    The supervisor makes all tickets: one that a worker made would be lost with it, and
    unknown to the worker that the peer happens to reach.
    """

    def __init__(
        self, clock: IReactorTime, supervisor: Supervisor, book: PeerBook
    ) -> None:
        """
        @param clock: ends tickets.
        @param book: the paired peers.
        """
        self._supervisor = supervisor
        self._admission = Admission(book, clock.seconds)
        supervisor.asked = self._asked

    def commands(self) -> dict[str, Command]:
        """
        Return the commands, by their names.
        """
        return {"status": lambda _: self._status(), "invite": lambda _: self._invite()}

    def _status(self) -> Deferred[dict[str, Any]]:
        """
        Ask all workers for their states, and join these.
        """
        asking = [
            worker.ask("control")
            for worker in self._supervisor.workers
            if worker.serving
        ]

        def answered(results: list[tuple[bool, Any]]) -> dict[str, Any]:
            states = [state for success, state in results if success and state]
            if not states:
                raise ConfigurationError(
                    "no process accepts connections yet: try again in a few seconds"
                )
            joined = {
                name: [each for state in states for each in state[name]]
                for name in _LISTS
            }
            return {
                **states[0],
                **joined,
                "peers": joined["peers"][:MAX_SHOWN],
                "connections": sum(state["connections"] for state in states),
            }

        gathered: Deferred[Any] = DeferredList(asking, consumeErrors=True)
        return gathered.addCallback(answered)

    def _invite(self) -> Deferred[dict[str, Any]]:
        """
        Make a ticket, with the addresses of the workers.
        """

        def answered(state: dict[str, Any]) -> dict[str, Any]:
            addresses = [
                each.withoutPeer() for each in Multiaddr.several(state["addresses"])
            ]
            if not addresses:
                raise ConfigurationError(
                    "nobody could use a ticket: this node listens nowhere"
                )
            secret = self._admission.make()
            peer = self._supervisor.identity.peerID
            return {"ticket": Ticket(peer, secret, tuple(addresses)).toText()}

        return self._status().addCallback(answered)

    def _asked(self, question: dict[str, Any]) -> str | None:
        """
        Decide about a peer for a worker; let all of them know a peer that is paired.
        """
        secret = bytes.fromhex(question["secret"])
        if self._admission.knows(secret):
            # The user may have removed a peer; an error of the file is logged below.
            # A stranger cannot have the file read.
            with suppress(ConfigurationError):
                self._admission.book.reload()
        refusal = self._admission.admit(
            PeerID.fromText(question["peer"]), secret, question["name"]
        )
        if refusal is None:
            for each in self._supervisor.workers:
                each.send({"paired": True})
        return refusal


def serveFleetControl(
    reactor: Any, supervisor: Supervisor, book: PeerBook, path: str
) -> ControlService:
    """
    Serve the control socket of all workers.

    @param book: the paired peers.
    @param path: the path of the socket.
    """
    control = FleetControl(reactor, supervisor, book)
    service = ControlService(reactor, path, control.commands())
    service.setServiceParent(supervisor)
    return service
