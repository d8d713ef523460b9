# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The layer that negotiates on a transport, and then steps aside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    Libp2pError,
    NegotiationEnded,
    NegotiationFailed,
    UpgradeTimeout,
    departed,
)
from twisted_libp2p.interfaces import ISwitchable
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadline, Layer
from twisted_libp2p.pacing.below import switchable
from twisted_libp2p.pacing.deadlines import Deadlines
from twisted_libp2p.printable import printable

__all__ = ["Machine", "Negotiation", "Negotiator"]

#: Seconds that a peer has to take the last answer of a negotiation that has failed.
CLOSING_TIME = 1.0

_log = Logger()


class Machine(Protocol):
    """
    One side of one negotiation, without I/O.

    @ivar agreed: the negotiated protocol; None so far.
    @ivar trailing: the bytes that came after the agreement.
    @ivar farewell: the bytes that are still to be sent after C{receive} has raised.
    @ivar refusal: the reason of the failure if the transport ends now; None if the end
        itself is the reason.
    """

    agreed: str | None
    trailing: bytes

    @property
    def farewell(self) -> bytes: ...

    @property
    def refusal(self) -> Exception | None: ...

    def start(self) -> bytes:
        """
        Return the bytes to send before anything was received.
        """

    def receive(self, data: bytes) -> bytes:
        """
        Take in received bytes.

        @return: the bytes to send in answer.
        @raise Libp2pError: there will be no agreement.
        """


@implementer(IHalfCloseableProtocol)
class Negotiator(Layer):
    """
    Runs a L{Machine} over a transport.  When the machine is done, the negotiated
    protocol is connected to I{the transport itself} and receives from it directly.
    """

    factory: Negotiation
    _closing: Deadline | None = None
    _over = False
    _lent = False
    _switch: ISwitchable | None = None

    def __init__(self, factory: Negotiation, machine: Machine) -> None:
        # As the base class does, without a call: this is done for every stream.
        self.factory = factory
        self.wrappedProtocol = None
        self._machine = machine

    def makeConnection(self, transport: Any) -> None:
        """
        Send the first flight; or connect the protocol at once, if it was agreed by
        other means.
        """
        self.connected = 1
        self.transport = transport
        self._switch = switchable(transport)
        factory = self.factory
        try:
            already = factory.already(transport)
        except Exception:
            # The callee has closed the transport, and reported the reason.
            self._end()
            return
        if already is not None:
            if self._connect(already):
                self._stepOut(b"")
            return
        self.begin(transport, factory)

    def begin(self, transport: Any, factory: Negotiation) -> None:
        """
        Send the first flight, on a transport whose protocol is not agreed yet.
        """
        deadlines = factory.deadlines
        if deadlines is not None:
            deadlines.begin(self)
        first = self._machine.start()
        if first:
            transport.write(first)
        optimistic = factory.optimistic
        if optimistic is not None:
            self._connect(optimistic)

    def dataReceived(self, data: bytes) -> None:
        """
        Feed the machine; after the agreement, pass the bytes on.
        """
        if self._over:
            if self.wrappedProtocol is not None:
                self.wrappedProtocol.dataReceived(data)
            return
        machine = self._machine
        try:
            answer = machine.receive(data)
        except Libp2pError as error:
            self._fail(error)
            return
        if self._over:
            # The application was asked for the protocol, and has ended the transport.
            return
        if answer:
            self.transport.write(answer)
        if machine.agreed is not None:
            # The machine may stay as long as the transport: it keeps no bytes.
            trailing, machine.trailing = machine.trailing, b""
            if self.wrappedProtocol is None and not self._connect(machine.agreed):
                return
            self._stepOut(trailing)

    def _connect(self, agreed: str) -> bool:
        """
        Connect the negotiated protocol.

        @return: whether there is one.
        """
        factory, transport = self.factory, self.transport
        inner = factory.build(agreed, transport)
        if self._over:
            # The transport was lost while the application built it: a protocol
            # that was never connected has nothing to lose.
            return False
        if inner is None:
            self._fail(NegotiationFailed(f"{agreed} was refused by our own side"))
            return False
        self.wrappedProtocol = inner
        if factory.optimistic is None:
            # From now on each end of the transport is reported to the inner protocol,
            # even during its own connectionMade.
            self._replace(inner)
        else:
            switch = self._switch
            if switch is not None:
                self._lent = switch.lend(inner)
        try:
            inner.makeConnection(transport)
        except Exception:
            failure = Failure()
            _log.failure("{agreed} failed to start", failure, agreed=printable(agreed))
            transport.abortConnection()
            if factory.optimistic is None:
                # The end of the transport is no longer reported to this layer.
                self._call(factory.failed, failure, inner)
            return False
        return True

    def _stepOut(self, trailing: bytes) -> None:
        """
        Leave the transport to the inner protocol.
        """
        inner = self.wrappedProtocol
        if not self._over:
            self._replace(inner)
        if inner is None:
            return
        self.factory.agreed(inner, self.transport)
        if trailing:
            self._deliver(trailing)

    def _replace(self, inner: IProtocol) -> None:
        """
        Step out of the path, if the transport can replace its protocol; otherwise
        received bytes are passed on.
        """
        self._end()
        switch = self._switch
        if switch is not None:
            switch.switchProtocol(self, inner)

    def _deliver(self, trailing: bytes) -> None:
        """
        Deliver the bytes that came with the last message.
        """
        switch = self._switch
        if switch is not None:
            switch.unread(trailing)
        elif self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(trailing)

    def timedOut(self) -> None:
        """
        Fail: there is no agreement in time.
        """
        deadlines = self.factory.deadlines
        seconds = deadlines.seconds if deadlines is not None else 0.0
        self._fail(UpgradeTimeout("the negotiation of a protocol", seconds))

    def _fail(self, error: Exception) -> None:
        """
        Report that there is no agreement, and drop the transport.
        """
        if self._over:
            return
        self._finish(Failure(error))
        if not self._machine.farewell:
            self.transport.abortConnection()
            return
        self.transport.write(self._machine.farewell)
        self.transport.loseConnection()
        if self.connected:
            self._closing = Deadline(
                self.factory.clock, CLOSING_TIME, self.transport.abortConnection
            )

    def _finish(self, reason: Failure) -> None:
        """
        Report the failure, once, to the factory and to the inner protocol.
        """
        if self._over:
            return
        self._end()
        self._call(self.factory.failed, reason, self.wrappedProtocol)
        inner = self._leave()
        if inner is not None:
            self._call(inner.connectionLost, reason)

    def _leave(self) -> IProtocol | None:
        """
        Return the inner protocol, once, or the protocol that the application has put in
        its place.
        """
        inner: IProtocol | None = self.wrappedProtocol
        self.wrappedProtocol = None
        if inner is not None and self._lent and self._switch is not None:
            inner = self._switch.protocol or inner
        return inner

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """
        Call the application; an exception is logged, and has no other effect.
        """
        try:
            function(*args)
        except Exception:
            _log.failure("{function} raised", function=function)

    def _end(self) -> None:
        """
        End the negotiation, whatever its result.
        """
        self._over = True
        deadlines = self.factory.deadlines
        if deadlines is not None:
            deadlines.end(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the transport.
        """
        self.connected = 0
        closing, self._closing = self._closing, None
        if closing is not None and closing.active():
            closing.cancel()
        if not self._over:
            refusal = self._machine.refusal
            self._finish(Failure(refusal or self.factory.explain(reason)))
            return
        inner = self._leave()
        if inner is not None:
            inner.connectionLost(reason)

    def readConnectionLost(self) -> None:
        """
        Report that the peer sends nothing more.  Before the agreement that is a
        failure.
        """
        inner = self.wrappedProtocol
        if not self._over:
            self._fail(
                self._machine.refusal
                or NegotiationEnded("the peer closed during the negotiation")
            )
        elif IHalfCloseableProtocol.providedBy(inner):
            inner.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Report that our side sends nothing more, which an optimistic protocol may have
        asked for.
        """
        inner = self.wrappedProtocol
        if IHalfCloseableProtocol.providedBy(inner):
            inner.writeConnectionLost()


class Negotiation(Factory, ABC):
    """
    The factory of negotiators: a subclass says which machine they run, and what follows
    from its result.  It wraps a choice of factories instead of one.

    @ivar optimistic: the protocol that is connected before the peer has confirmed it,
        so that its first bytes travel with the proposal; it receives nothing until
        then.  None to wait for the confirmation.
    @ivar clock: runs the timers.
    @ivar deadlines: the time for one negotiation; None if a longer deadline includes
        it.
    """

    noisy = False

    optimistic: str | None = None
    clock: IReactorTime
    deadlines: Deadlines | None = None

    @abstractmethod
    def machine(self) -> Machine:
        """
        Make the machine of one negotiation.
        """

    @abstractmethod
    def choose(self, agreed: str, transport: Any) -> IProtocolFactory | None:
        """
        Return the factory for the negotiated protocol of a transport; None to refuse
        it.
        """

    def already(self, transport: Any) -> str | None:
        """
        Return the protocol that was agreed by other means; None to negotiate.

        @raise Exception: there will be no agreement, and the transport has been closed.
        """
        return None

    def agreed(self, protocol: IProtocol, transport: Any) -> None:
        """
        Handle an agreement.  Called once, when the protocol is connected.
        """

    def failed(self, reason: Failure, protocol: IProtocol | None) -> None:
        """
        Handle a failure.  Called once.

        @param protocol: the optimistic protocol, if it was connected.
        """

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator:
        """
        Build the negotiator of one transport.
        """
        return Negotiator(self, self.machine())

    def build(self, agreed: str, transport: Any) -> IProtocol | None:
        """
        Build the negotiated protocol.  A factory that raises has refused; the error is
        logged.
        """
        try:
            factory = self.choose(agreed, transport)
            if factory is None:
                return None
            return factory.buildProtocol(transport.getPeer())
        except Exception:
            _log.failure(
                "no protocol could be built for {agreed}", agreed=printable(agreed)
            )
            return None

    def explain(self, reason: Failure) -> Exception:
        """
        Return the typed error for a transport that was lost too early.
        """
        if isinstance(reason.value, Libp2pError):
            return reason.value
        kind = NegotiationEnded if departed(reason) else NegotiationFailed
        return kind(
            f"the connection ended during the negotiation: {reason.getErrorMessage()}"
        )
