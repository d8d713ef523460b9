# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One port that is to be mapped: asks the gateway, renews, and deletes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.logger import Logger
from twisted_libp2p.portmap.lease import Lease, Port
from twisted_libp2p.portmap.mapping import Effect, Event, Mapping, State
from twisted_libp2p.portmap.router import Router

__all__ = ["Keeper"]


class Keeper:
    """
    Keeps the mapping of one port.

    @ivar port: the port.
    @ivar mapping: its state.
    @ivar problem: the last error; None after a success.
    """

    _log = Logger()

    def __init__(
        self,
        port: Port,
        router: Router,
        clock: IReactorTime,
        random: Callable[[], float],
        changed: Callable[[Keeper], object],
        failed: Callable[[Keeper], object],
        restarted: Callable[[Keeper], object],
    ) -> None:
        """
        Want nothing yet: L{start} does.

        @param random: returns numbers from 0 to 1.
        @param changed: called when the lease has changed.
        @param failed: called after a failure without a lease.
        @param restarted: called if an answer shows that the gateway has begun again.
        """
        self.port = port
        self.mapping = Mapping(random)
        self.problem: BaseException | None = None
        self._router = router
        self._clock = clock
        self._changed = changed
        self._failed = failed
        self._restarted = restarted
        self._asking: Deferred[Lease] | None = None
        self._due: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None

    @property
    def lease(self) -> Lease | None:
        """
        The lease that is held; None without one.
        """
        return self.mapping.lease

    def start(self) -> None:
        """
        Begin to want the mapping.
        """
        self._do(self.mapping.happened(Event.WANTED))

    def stop(self) -> None:
        """
        Want the mapping no longer.  The router knows when it is deleted.
        """
        self._do(self.mapping.happened(Event.UNWANTED))

    def renew(self) -> None:
        """
        Renew the mapping now, if there is one.
        """
        if self._due is not None and self.mapping.held:
            self._due.cancel()
            self._again()

    def forgotten(self) -> None:
        """
        Ask for the mapping again: the gateway has lost it.
        """
        self._do(self.mapping.happened(Event.FORGOTTEN))

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for each in effects:
            _EFFECTS[each](self)

    def _ask(self) -> None:
        lease = self.lease
        public = self.port.number if lease is None else lease.port
        restarts = self._router.restarts
        self._asking = Deferred.fromCoroutine(self._router.map(self.port, public))
        self._asking.addCallbacks(self._granted, self._refused, (restarts,))

    def _granted(self, lease: Lease, restarts: int) -> None:
        self._asking = None
        self.problem = None
        self._do(self.mapping.granted(self._clock.seconds(), lease))
        if self._router.restarts != restarts:
            self._restarted(self)

    def _refused(self, failure: Failure) -> None:
        self._asking = None
        if failure.check(CancelledError):
            return
        if not failure.check(Libp2pError):
            self._log.failure("cannot map {port}", failure, port=str(self.port))
        self.problem = failure.value
        self._do(self.mapping.happened(Event.REFUSED))
        if self.mapping.state is State.WAITING:
            self._failed(self)

    def _cancel(self) -> None:
        for call in (self._due, self._expiry):
            if call is not None and call.active():
                call.cancel()
        self._due = self._expiry = None
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()

    def _announce(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        left = self.mapping.expires - self._clock.seconds()
        self._expiry = self._clock.callLater(max(left, 0.0), self._expired)
        self._changed(self)

    def _expired(self) -> None:
        self._expiry = None
        self._do(self.mapping.happened(Event.EXPIRED))

    def _withdraw(self) -> None:
        self.mapping.lease = None
        self._changed(self)

    def _delete(self) -> None:
        lease = self.lease
        public = self.port.number if lease is None else lease.port
        self._router.unmap(self.port, public).addErrback(self._notDeleted)

    def _notDeleted(self, failure: Failure) -> None:
        failure.trap(Libp2pError, CancelledError)
        self._log.info(
            "the mapping of {port} stays at the gateway until it expires: {error}",
            port=str(self.port),
            error=str(failure.value) or "there was no time",
        )

    def _wait(self) -> None:
        seconds = self.mapping.wait(self._clock.seconds())
        self._due = self._clock.callLater(seconds, self._again)

    def _again(self) -> None:
        self._due = None
        self._do(self.mapping.happened(Event.DUE))


_EFFECTS: dict[Effect, Callable[[Any], None]] = {
    Effect.ASK: Keeper._ask,
    Effect.CANCEL: Keeper._cancel,
    Effect.ANNOUNCE: Keeper._announce,
    Effect.WITHDRAW: Keeper._withdraw,
    Effect.DELETE: Keeper._delete,
    Effect.WAIT: Keeper._wait,
}
