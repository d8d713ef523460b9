# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses on which a node listens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import (
    ConfigurationError,
    NodeStopping,
    UnsupportedAddress,
)
from twisted_libp2p.events import Listen, ListenClose
from twisted_libp2p.interfaces import AddressSource, AnyTransport, IMovingPort
from twisted_libp2p.logger import Logger
from twisted_libp2p.node.addresses import OwnAddresses, withoutOwnPeer
from twisted_libp2p.node.listener import Listener
from twisted_libp2p.transport.endpoint import NOWHERE, PREFIX, NamedEndpoint

__all__ = ["Listenable", "Listeners"]

#: An address to listen on, or an endpoint: the object, or C{endpoint:} and its
#: description.
Listenable = str | Multiaddr | IStreamServerEndpoint | NamedEndpoint

#: Seconds after which a node that listens on a wildcard looks at the interfaces of
#: this host again, as go-libp2p.
INTERFACE_INTERVAL = 5.0


class Listeners:
    """
    Opens and closes the listeners of a node, and reports their addresses to
    L{OwnAddresses}.

    @ivar requested: the addresses on which the node listens when it starts.
    @ivar stops: number of times that all of them were stopped.  Anything that was
        begun before the last stop is void.
    """

    _log = Logger()

    def __init__(
        self,
        own: OwnAddresses,
        transports: Sequence[AnyTransport],
        listen: Callable[[AnyTransport, Multiaddr], Deferred[IListeningPort]],
        requested: Listenable | Iterable[Listenable] = (),
        *,
        endpoint: Callable[[NamedEndpoint], AnyTransport],
    ) -> None:
        """
        @param own: gets the addresses of all listeners.
        @param transports: the transports of the node.
        @param listen: opens a port of a transport.
        @param requested: the addresses, or endpoints, on which the node listens when
            it starts.
        @param endpoint: makes the transport of an endpoint.
        @raise UnsupportedAddress: no transport can listen on one of them.
        @raise ConfigurationError: one of them ends in the id of another peer.
        """
        self._own = own
        self._peerID = own.peerID
        self._clock = own.clock
        self._events = own.events
        self._transports = transports
        self._listen = listen
        self._endpoint = endpoint
        self._all: list[Listener] = []
        self._looking: IDelayedCall | None = None
        self._open = True
        self.stops = 0
        if isinstance(requested, Multiaddr | str | bytes) or not isinstance(
            requested, Iterable
        ):
            requested = (requested,)
        self.requested = [self.parse(each) for each in requested]
        self._starting: Deferred[Exception | None] | None = None
        # What bind() has begun, and the number of requested addresses that are open.
        self._binding: Deferred[None] | None = None
        self._bound = 0

    def __iter__(self) -> Any:
        """
        Iterate over all listeners.
        """
        return iter(list(self._all))

    def parse(self, address: Listenable) -> Multiaddr | NamedEndpoint:
        """
        Read an address to listen on, or an endpoint in its place.

        @raise UnsupportedAddress: no transport of this node can listen on it.
        @raise ConfigurationError: it ends in the id of another peer, or there is no
            such endpoint.
        """
        if isinstance(address, NamedEndpoint):
            return address
        if IStreamServerEndpoint.providedBy(address) or (
            isinstance(address, str) and address.startswith(PREFIX)
        ):
            return NamedEndpoint.server(address, self._clock)
        parsed = withoutOwnPeer(address, self._peerID, "listen")
        if not any(each.canListen(parsed) for each in self._transports):
            raise UnsupportedAddress(
                f"no transport of this node listens on {parsed};"
                " /ip4/127.0.0.1/tcp/4001 is one that TCP listens on"
            )
        return parsed

    # The requested addresses

    def bind(self) -> None:
        """
        Open the requested addresses now, before the node starts.

        @raise Exception: one of them cannot be opened.
        """
        failures: list[Failure] = []
        self._binding = Deferred.fromCoroutine(self._bindAll())
        self._binding.addErrback(failures.append)
        if failures:
            failures[0].raiseException()

    async def _bindAll(self) -> None:
        for address in self.requested:
            await self.open(address)
            self._bound += 1

    def start(self, done: Callable[[], None]) -> None:
        """
        Open the requested addresses that L{bind} has not opened yet.

        @param done: called at the end, unless the listeners were stopped by then.
        """
        stops = self.stops
        starting = Deferred.fromCoroutine(self._startAll(done))
        if stops == self.stops:
            self._starting = starting
        else:
            # A subscriber of L{Listen} has stopped the node.
            starting.cancel()

    def whenStarted(self) -> Deferred[None]:
        """
        Wait until the requested addresses are open.

        @return: fails with the error of an address that cannot be opened.
        """
        if self._starting is None:
            return fail(ConfigurationError("the node is not started"))
        waiting: Deferred[None] = Deferred()

        def started(error: Exception | None) -> Exception | None:
            if error is not None:
                waiting.errback(error)
            else:
                waiting.callback(None)
            return error

        self._starting.addCallback(started)
        return waiting

    async def _startAll(self, done: Callable[[], None]) -> Exception | None:
        """
        Open the requested addresses, without those that cannot be opened.

        @return: the first error of an address; None if all are open.
        """
        stops = self.stops
        failure: Exception | None = None
        try:
            failure = await self._openRequested(stops)
        except (CancelledError, NodeStopping) as error:
            failure = error
        if stops == self.stops:
            done()
        return failure

    async def _openRequested(self, stops: int) -> Exception | None:
        failure: Exception | None = None
        binding, self._binding = self._binding, None
        if binding is not None:
            failure = await self._try(binding)
        bound, self._bound = self._bound, 0
        for address in self.requested[bound:]:
            if stops != self.stops:
                raise NodeStopping
            error = await self._try(self.open(address))
            failure = failure or error
        return failure

    async def _try(self, opening: Awaitable[object]) -> Exception | None:
        """
        Open an address, and log and return the error if it cannot be opened.
        """
        try:
            await opening
        except (CancelledError, NodeStopping):
            raise
        except Exception as error:
            self._log.error("cannot listen: {error}", error=str(error))
            return error
        return None

    # Opening

    async def open(self, address: Listenable, shared: bool = False) -> Listener:
        """
        Listen on an address.

        @param shared: whether a listener that was opened for the same address may be
            used; L{release} ends the use.
        @raise Exception: the node cannot listen on it, or its endpoint has failed.
        """
        requested = self.parse(address)
        if shared:
            for listener in self._all:
                if listener.requested == requested:
                    listener.users += 1
                    return listener
        if not self._open:
            raise NodeStopping
        stops = self.stops
        if isinstance(requested, NamedEndpoint):
            transport, place = self._endpoint(requested), NOWHERE
        else:
            place = requested
            transport = next(each for each in self._transports if each.canListen(place))
        port = await self._listen(transport, place)
        if stops != self.stops:
            # The node was stopped in the meantime, and does not know this port.
            await maybeDeferred(port.stopListening)
            raise NodeStopping
        listener = Listener(requested, port, transport, self._peerID)
        try:
            added, _ = listener.look()
        except BaseException:
            # No other object knows this port.
            await maybeDeferred(port.stopListening)
            raise
        self._all.append(listener)
        moving = IMovingPort(port, None)
        if moving is not None:
            moving.watch(lambda: self._look([listener]))
        elif not added:
            self._log.info("listening on {endpoint}", endpoint=str(requested))
        if listener.wildcard and self._looking is None:
            self._lookLater()
        self._report(added, [])
        self._own.publish()
        return listener

    # Changes of the addresses

    def _update(self) -> None:
        """
        Report the addresses of all listeners to their owner.
        """
        found = [address for each in self._all for address in each.addresses]
        for source, relayed in (
            (AddressSource.BOUND, False),
            (AddressSource.RELAYED, True),
        ):
            self._own.update(
                source, [each for each in found if isRelayed(each) is relayed]
            )

    def _report(self, added: list[Multiaddr], gone: list[Multiaddr]) -> None:
        """
        Log and publish the addresses on which we listen now, and those on which we no
        longer do.
        """
        self._update()
        for each in gone:
            self._log.info("no longer listening on {address}", address=str(each))
            self._publishClose(each)
        stops = self.stops
        for each in added:
            if stops != self.stops:
                # A subscriber has stopped the node, and so closed them all.
                return
            self._log.info("listening on {address}", address=str(each))
            self._events.publish(Listen(time=self._clock.seconds(), address=each))

    def _publishClose(self, address: Multiaddr) -> None:
        self._events.publish(ListenClose(time=self._clock.seconds(), address=address))

    def _lookLater(self) -> None:
        self._looking = self._clock.callLater(INTERFACE_INTERVAL, self._lookAgain)

    def _lookAgain(self) -> None:
        """
        Look at the interfaces of this host again, as long as any listener depends on
        them.
        """
        self._looking = None
        listeners = [each for each in self._all if each.wildcard]
        if listeners:
            self._lookLater()
            self._look(listeners)

    def _look(self, listeners: Iterable[Listener]) -> None:
        """
        Find out whether the addresses of some listeners have changed.
        """
        for listener in listeners:
            if listener not in self._all:
                # A subscriber has closed it when another one has changed.
                continue
            try:
                added, gone = listener.look()
            except Exception:
                self._log.failure(
                    "the addresses of {address} are not known",
                    address=str(listener.requested),
                )
                continue
            self._report(added, gone)
        self._own.publish()

    # Closing

    async def release(self, listener: Listener) -> None:
        """
        End one use of a listener; the last one closes it.
        """
        listener.users -= 1
        if not listener.users and listener in self._all:
            await self._closeOne(listener)
            self._own.publish()

    async def close(self, address: Listenable) -> None:
        """
        Close the listeners of an address; their connections go on.

        @param address: the address that was given to L{open}.
        """
        requested = self.parse(address)
        for listener in [each for each in self._all if each.requested == requested]:
            if listener in self._all:
                await self._closeOne(listener)
        self._own.publish()

    async def _closeOne(self, listener: Listener) -> None:
        self._all.remove(listener)
        self._update()
        await self._stop(listener)

    def admit(self, open: bool) -> None:
        """
        Let listeners be opened, or refuse them from now on.
        """
        self._open = open
        if not open:
            self.stops += 1

    async def closeAll(self) -> None:
        """
        Close all listeners, and give up those that are being opened.
        """
        self._bound = 0
        starting, self._starting = self._starting, None
        binding, self._binding = self._binding, None
        for pending in (starting, binding):
            if pending is not None:
                pending.cancel()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        listeners, self._all = self._all, []
        self._update()
        for listener in listeners:
            await self._stop(listener)
        self._own.publish()

    async def _stop(self, listener: Listener) -> None:
        """
        Close a port; an error is logged, and keeps the others from nothing.
        """
        try:
            await maybeDeferred(listener.port.stopListening)
        except Exception:
            self._log.failure(
                "{address} cannot be closed", address=str(listener.requested)
            )
        for address in listener.addresses:
            self._publishClose(address)
