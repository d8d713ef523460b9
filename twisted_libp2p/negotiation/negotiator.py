# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The wrapper that negotiates on a transport, and then steps aside.
"""

from __future__ import annotations

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
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import Libp2pError, NegotiationFailed, UpgradeTimeout
from twisted_libp2p.interfaces import ISwitchable
from twisted_libp2p.pacing import Deadline, Layer
from twisted_libp2p.pacing.below import switchable
from twisted_libp2p.pacing.deadlines import Deadlines
from twisted_libp2p.printable import printable

__all__ = ["Machine", "Negotiation", "Negotiator"]

#: Seconds that a peer is given to take the last answer of a negotiation that
#: has failed.
CLOSING_TIME = 1.0

_log = Logger()


class Machine(Protocol):
    """
    A negotiation without I/O: one side of one attempt to agree.

    @ivar agreed: the protocol that was agreed; None so far.
    @ivar trailing: the bytes that came behind the agreement.
    @ivar farewell: what is still to be sent when C{receive} has raised.
    @ivar refusal: what it has failed for if the transport ends now; None where
        the end itself is the failure.
    """

    agreed: str | None
    trailing: bytes

    @property
    def farewell(self) -> bytes: ...

    @property
    def refusal(self) -> Exception | None: ...

    def start(self) -> bytes:
        """
        @return: what to send before anything was received.
        """

    def receive(self, data: bytes) -> bytes:
        """
        @return: what to send in answer to these bytes.

        @raise Libp2pError: there will be no agreement.
        """


#: Gives the protocol for what was agreed on a transport, or None to refuse.
Build = Callable[[str, Any], "IProtocol | None"]


@implementer(IHalfCloseableProtocol)
class Negotiator(Layer):
    """
    Runs a L{Machine} over a transport.  When the machine is done, the
    protocol that was agreed is connected to I{the transport itself} and
    receives from it directly.

    @ivar optimistic: the protocol that is taken for agreed before the peer
        has confirmed it: it is connected at once, so that its first bytes
        travel with the proposal, but receives nothing yet.
    """

    factory: Negotiation
    optimistic: str | None = None
    _closing: Deadline | None = None
    _over = False
    _lent = False
    _switch: ISwitchable | None = None

    def __init__(self, factory: Negotiation, machine: Machine) -> None:
        super().__init__(factory)
        self._machine = machine

    @property
    def settled(self) -> bool:
        """
        Whether there is an agreement, or will be none.
        """
        return self._over

    def makeConnection(self, transport: Any) -> None:
        """
        Send the first flight; or be done at once, where the choice was made
        already by other means.
        """
        self.connected = 1
        self.transport = transport
        self._switch = switchable(transport)
        factory = self.factory
        if factory.already is not None:
            try:
                already = factory.already(transport)
            except Exception:
                # Whoever raised it has ended the connection, and said why.
                self._end()
                return
            if already is not None:
                if self._connect(already):
                    self._stepOut(b"")
                return
        if factory.deadlines is not None:
            factory.deadlines.begin(self)
        first = self._machine.start()
        if first:
            transport.write(first)
        if self.optimistic is not None:
            self._connect(self.optimistic)

    def dataReceived(self, data: bytes) -> None:
        """
        Feed the machine, unless it is done: then these bytes are not ours.
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
            # The application, asked whether it speaks this, has ended all.
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
        Connect the protocol for what was agreed.

        @return: whether there is one.
        """
        inner = self.factory.build(agreed, self.transport)
        if self._over:
            # The transport was lost while the application built it: a protocol
            # that was never connected has nothing to lose.
            return False
        if inner is None:
            self._fail(NegotiationFailed(f"{agreed} was refused by our own side"))
            return False
        self.wrappedProtocol = inner
        if self.optimistic is None:
            # From here on whatever ends the transport is the inner
            # protocol's to hear, even in its own connectionMade.
            self._replace(inner)
        elif self._switch is not None:
            self._lent = self._switch.lend(inner)
        try:
            inner.makeConnection(self.transport)
        except Exception:
            failure = Failure()
            _log.failure("{agreed} failed to start", failure, agreed=printable(agreed))
            self.transport.abortConnection()
            if self.optimistic is None:
                # Nothing that happens to the transport leads here any more.
                self._call(self.factory.failed, failure, inner)
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
        Receive no more, where the transport lets its protocol be exchanged;
        elsewhere what is received is passed on.
        """
        self._end()
        if self._switch is not None:
            self._switch.switchProtocol(self, inner)

    def _deliver(self, trailing: bytes) -> None:
        """
        Hand on the bytes that came with the last message.
        """
        if self._switch is not None:
            self._switch.unread(trailing)
        elif self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(trailing)

    def timedOut(self) -> None:
        """
        There is no agreement in time.
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
        Report once, to everybody who waits, that there will be no agreement.
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
        Return the inner protocol, once: the one that the application has put in its
        place, if it has.
        """
        inner: IProtocol | None = self.wrappedProtocol
        self.wrappedProtocol = None
        if inner is not None and self._lent and self._switch is not None:
            inner = self._switch.protocol or inner
        return inner

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """
        Call the application: what it raises is logged, and stops nothing here.
        """
        try:
            function(*args)
        except Exception:
            _log.failure("{function} raised", function=function)

    def _end(self) -> None:
        """
        It is over, one way or the other.
        """
        self._over = True
        if self.factory.deadlines is not None:
            self.factory.deadlines.end(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone, in the midst of it all or later.
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
        The peer will send no more.  Before the agreement that is the end.
        """
        inner = self.wrappedProtocol
        if not self._over:
            self._fail(
                self._machine.refusal
                or NegotiationFailed("the peer closed during the negotiation")
            )
        elif IHalfCloseableProtocol.providedBy(inner):
            inner.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Our side will send no more; an optimistic protocol may have said so.
        """
        inner = self.wrappedProtocol
        if IHalfCloseableProtocol.providedBy(inner):
            inner.writeConnectionLost()


def _nothing(*_: object) -> None:
    """
    What happens where nobody asked for more.
    """


class Negotiation(Factory):
    """
    The factory of negotiators: which machine, and what to do about its end.
    It wraps not one factory but a choice of them.

    @ivar machine: makes the machine of one negotiation.
    @ivar choose: gives the factory for what was agreed on a transport, or None
        to refuse it.
    @ivar failed: told once when there is no agreement, together with the
        optimistic protocol, if one was connected.
    @ivar agreed: told once when there is one, with the protocol and its
        transport.
    @ivar already: returns for a transport the protocol that was agreed by other
        means; None where there are no others.  If it raises, it has ended the
        transport itself.
    @ivar optimistic: the protocol to take for agreed at once.
    @ivar clock: ends what a peer does not end.
    @ivar deadlines: the time for one negotiation; None where somebody else
        looks at the clock.
    """

    noisy = False

    machine: Callable[[], Machine]
    choose: Callable[[str, Any], IProtocolFactory | None]
    failed: Callable[[Failure, IProtocol | None], None]
    agreed: Callable[[IProtocol, Any], None]
    already: Callable[[Any], str | None] | None = None
    optimistic: str | None
    clock: IReactorTime
    deadlines: Deadlines | None

    def __init__(
        self,
        machine: Callable[[], Machine],
        choose: Callable[[str, Any], IProtocolFactory | None],
        *,
        failed: Callable[[Failure, IProtocol | None], None] = _nothing,
        agreed: Callable[[IProtocol, Any], None] = _nothing,
        already: Callable[[Any], str | None] | None = None,
        optimistic: str | None = None,
        clock: IReactorTime,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.machine = machine
        self.choose = choose
        self.optimistic = optimistic
        self.failed = failed
        self.agreed = agreed
        self.already = already
        self.clock = clock
        self.deadlines = deadlines

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator:
        """
        Build the negotiator of one transport.
        """
        negotiator = Negotiator(self, self.machine())
        negotiator.optimistic = self.optimistic
        return negotiator

    def build(self, agreed: str, transport: Any) -> IProtocol | None:
        """
        Build the protocol for what was agreed.  A factory that raises has
        refused, and the error is logged.
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
        Give the typed error for a transport that was lost too early.
        """
        if isinstance(reason.value, Libp2pError):
            return reason.value
        return NegotiationFailed(
            f"the connection ended during the negotiation: {reason.getErrorMessage()}"
        )
