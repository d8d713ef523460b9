# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The listeners of a network in memory, by their numbers.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime
from zope.interface import implementer

from twisted_libp2p.transport.memory.addresses import MemoryAddress

__all__ = ["MemoryNumbers", "MemoryPort"]

#: The receiver of new connections.
R = TypeVar("R")


@implementer(IListeningPort)
class MemoryPort(Generic[R]):
    """
    A listener of a network in memory.

    @ivar receiver: the factory, or function, that receives new connections.
    """

    def __init__(
        self, network: MemoryNumbers[R], address: MemoryAddress, receiver: R
    ) -> None:
        self._network = network
        self._address = address
        self.receiver = receiver

    def startListening(self) -> None:
        """
        Accept connections.

        @raise CannotListenError: another listener has this number.
        """
        number = self._address.number
        if number in self._network.ports:
            raise CannotListenError("memory", number, OSError("address in use"))
        self._network.ports[number] = self

    def stopListening(self) -> Deferred[None]:
        """
        Accept no further connections.
        """
        self._network.ports.pop(self._address.number, None)
        return succeed(None)

    def getHost(self) -> MemoryAddress:
        """
        Return the address on which this listens.
        """
        return self._address


class MemoryNumbers(Generic[R]):
    """
    The network of the nodes that share it: its time and its listeners.

    @ivar clock: the reactor whose turns carry everything.
    @ivar delay: seconds that everything is on its way, in one direction.
    @ivar ports: the listeners, by their numbers.
    """

    def __init__(self, clock: IReactorTime, delay: float = 0.0) -> None:
        self.clock = clock
        self.delay = delay
        self.ports: dict[int, MemoryPort[R]] = {}
        self._last = 0

    def free(self) -> MemoryAddress:
        """
        Return an address that no end has yet.
        """
        self._last += 1
        while self._last in self.ports:
            self._last += 1
        return MemoryAddress(self._last)

    def listen(self, address: MemoryAddress, receiver: R) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.

        @param address: the number 0 takes a free one.
        @param receiver: the receiver of new connections.
        """
        port = self.port(address if address.number else self.free(), receiver)
        try:
            port.startListening()
        except CannotListenError:
            return fail()
        return succeed(port)

    def port(self, address: MemoryAddress, receiver: R) -> MemoryPort[R]:
        """
        Make a listener.
        """
        return MemoryPort(self, address, receiver)

    def receiver(self, address: MemoryAddress) -> R | None:
        """
        Return the receiver that listens on an address, or None.
        """
        port = self.ports.get(address.number)
        return None if port is None else port.receiver
