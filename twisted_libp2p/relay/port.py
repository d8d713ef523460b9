# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The port of a node at a relay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import IMovingPort
from twisted_libp2p.relay.circuit import Circuit
from twisted_libp2p.relay.holding import Holding

__all__ = ["CircuitPlace", "CircuitPort"]


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class CircuitPlace:
    """
    The place where a port listens.

    @ivar multiaddr: the requested address.
    """

    multiaddr: Multiaddr


@implementer(IMovingPort)
class CircuitPort:
    """
    Accepts connections by way of a relay.

    Its addresses come and go with the reservation, while it listens.

    @ivar factory: builds the protocols of the accepted circuits.
    @ivar holding: the reservation.
    @ivar circuits: the accepted circuits that are open.
    @ivar upgrading: those of them whose peers have not proven yet who they are.
    """

    def __init__(
        self,
        requested: Multiaddr,
        factory: IProtocolFactory,
        holding: Holding,
        stopped: Callable[[CircuitPort], object],
    ) -> None:
        """
        @param requested: the address that the user has asked for.
        @param stopped: called when the port has stopped.
        """
        self.factory = factory
        self.holding = holding
        self.circuits: set[Circuit] = set()
        self.upgrading: set[Circuit] = set()
        self._requested = requested
        self._stopped = stopped
        self._watcher: Callable[[], None] | None = None

    def accept(self, circuit: Circuit) -> None:
        """
        Count a circuit until it ends.
        """
        self.circuits.add(circuit)
        self.upgrading.add(circuit)
        circuit.lost = partial(self._ended, circuit)

    def _ended(self, circuit: Circuit) -> None:
        self.circuits.discard(circuit)
        self.upgrading.discard(circuit)

    @property
    def addresses(self) -> list[Multiaddr]:
        """
        The addresses that lead to us, without our id.
        """
        return list(self.holding.addresses)

    def watch(self, changed: Callable[[], None]) -> None:
        """
        Call a function after each change of the addresses.
        """
        self._watcher = changed

    def changed(self) -> None:
        """
        Report a change of the addresses.
        """
        if self._watcher is not None:
            self._watcher()

    def startListening(self) -> None:
        """
        Do nothing: a port listens when it is made.
        """

    def stopListening(self) -> None:
        """
        Give up the reservation.
        """
        self._watcher = None
        self.holding.stop()
        self._stopped(self)

    def getHost(self) -> CircuitPlace:
        """
        Return the requested address.
        """
        return CircuitPlace(self._requested)
