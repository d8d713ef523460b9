# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way of a byte: negotiate, secure, negotiate, multiplex.

L{Stack.stack} is the stack of this package in one expression: a factory that wraps a
factory that wraps a factory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from twisted_libp2p.connection.locating import Locating
from twisted_libp2p.connection.upgrade import Upgrade
from twisted_libp2p.errors import (
    LegacyPeer,
    NegotiationFailed,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.interfaces import (
    IManagedConnection,
    IMuxer,
    ISecurity,
    Role,
    Secured,
)
from twisted_libp2p.negotiation import (
    Machine,
    Negotiation,
    Negotiator,
    bootstrap,
    multistream,
)
from twisted_libp2p.pacing import Deadlines

__all__ = ["BOOTSTRAP", "MULTISTREAM", "SEQUENTIAL", "AcceptingFactory", "Stack"]

#: The dialect of deployed peers on a fresh transport.  The first security
#: protocol is proposed alone, and its handshake begins in the same flight.
MULTISTREAM = "multistream"

#: The same, but each security protocol is proposed after the refusal of the one
#: before: for peers that have refused the first.
SEQUENTIAL = "sequential"

#: The dialect of the I{Connection Lifecycle} draft.
BOOTSTRAP = "bootstrap"

#: Seconds that a peer has to answer in the draft's dialect; a peer that is silent for
#: longer does not know it.
BOOTSTRAP_DEADLINE = 5.0


class Stack(Factory):
    """
    The layers of one raw transport.

    @ivar upgrade: the upgrade whose connection they carry.
    @ivar client: whether our side proposes.
    @ivar bootstrap: the time for a negotiation in the draft's dialect; None if another
        is spoken.
    """

    noisy = False

    def __init__(
        self,
        upgrade: Upgrade,
        securities: Mapping[str, ISecurity],
        muxers: Mapping[str, IMuxer],
        clock: Any,
        dialect: str = MULTISTREAM,
    ) -> None:
        """
        Prepare the layers.

        @param securities: the security protocols by their id, in order of preference.
        @param muxers: the muxers by their id, in order of preference.
        @param clock: runs the timers.
        @param dialect: the dialect of the client: L{MULTISTREAM}, L{SEQUENTIAL} or
            L{BOOTSTRAP}.  A server answers all of them.
        """
        self.upgrade = upgrade
        self.securities = securities
        self.muxers = muxers
        self.clock = clock
        self.dialect = dialect
        self.client = upgrade.role is Role.CLIENT
        # Every peer that knows the draft's dialect answers soon.
        self.bootstrap = (
            Deadlines(clock, BOOTSTRAP_DEADLINE) if dialect == BOOTSTRAP else None
        )
        if self.bootstrap is not None:
            upgrade.connection.addBoth(self._ended, self.bootstrap)

    def stack(self) -> Negotiation:
        """
        Stack the layers: negotiate, secure, negotiate, multiplex.
        """
        upgrade = self.upgrade
        handshake = upgrade.handshake
        return _Securing(
            self,
            lambda security: self.securities[security].wrap(
                handshake,
                _Muxing(
                    self,
                    lambda muxer, secure: self.muxers[muxer].wrap(
                        upgrade.role,
                        upgrade.connect(muxer, secure.secured, secure.getHost),
                    ),
                ),
            ),
        )

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Build the outermost layer of a transport, unless nobody wants it any longer.
        """
        negotiator: Negotiator | None = None

        def drop() -> None:
            if negotiator is not None and negotiator.transport is not None:
                negotiator.transport.abortConnection()

        if not self.upgrade.begin(drop):
            return None
        negotiator = self.stack().buildProtocol(addr)
        if self.upgrade.proxied:
            return Locating(self.upgrade, negotiator)
        return negotiator

    def _ended(
        self, result: IManagedConnection | Failure, bootstrap: Deadlines
    ) -> IManagedConnection | Failure:
        """
        Stop the deadline of the draft's dialect.
        """
        bootstrap.stop()
        return result


class _Securing(Negotiation):
    """
    The negotiation of the security protocol on the raw transport.
    """

    def __init__(self, stack: Stack, wrap: Callable[[str], IProtocolFactory]) -> None:
        """
        Make the negotiation of a security protocol.

        @param wrap: returns the factory for a negotiated security protocol.
        """
        self._stack = stack
        self._wrap = wrap
        self._machine: Machine | None = None
        self.clock = stack.clock
        self.deadlines = stack.bootstrap
        self.optimistic = self._optimistic()

    def machine(self) -> Machine:
        """
        Make the machine of our side and our dialect.
        """
        stack = self._stack
        securities = stack.securities
        if not stack.client:
            self._machine = bootstrap.Listener(securities.__contains__, securities.keys)
        elif stack.dialect == BOOTSTRAP:
            self._machine = bootstrap.Dialer(tuple(securities))
        else:
            proposals = self._proposals()
            self._machine = multistream.Initiator(
                proposals, ask=len(proposals) == len(securities)
            )
        return self._machine

    def _proposals(self) -> tuple[str, ...]:
        """
        Return the security protocols to propose by multistream-select.
        """
        securities = tuple(self._stack.securities)
        return securities[:1] if self._stack.dialect == MULTISTREAM else securities

    def _optimistic(self) -> str | None:
        """
        Return the security protocol to begin before the peer has confirmed it: the one
        that is proposed alone.  Its first message cannot be mistaken for
        multistream-select, so a peer that refuses it gets no further.
        """
        if not self._stack.client or self._stack.dialect == BOOTSTRAP:
            return None
        first, *others = self._proposals()
        return None if others else first

    def choose(self, agreed: str, transport: Any) -> IProtocolFactory:
        """
        Return the factory of the security protocol.
        """
        return self._wrap(agreed)

    def failed(self, reason: Failure, protocol: IProtocol | None) -> None:
        """
        Fail the upgrade.  A peer that gives no answer to a bootstrap does not know the
        draft: such peers wait for more, or hang up.
        """
        if (
            isinstance(self._machine, bootstrap.Dialer)
            and not self._machine.answered
            and reason.check(NegotiationFailed, UpgradeTimeout)
            and not reason.check(UnsupportedProtocol)
        ):
            reason = Failure(LegacyPeer())
        self._stack.upgrade.fail(reason)


class _Muxing(Negotiation):
    """
    The negotiation of the muxer on the secured transport.
    """

    def __init__(
        self,
        stack: Stack,
        wrap: Callable[[str, Any], IProtocolFactory],
    ) -> None:
        """
        Make the negotiation of a muxer.

        @param wrap: returns the factory for a negotiated muxer on a transport.
        """
        self._stack = stack
        self._wrap = wrap
        self.clock = stack.clock

    def already(self, transport: Any) -> str | None:
        """
        Judge the peer, and return the muxer if the handshake has agreed on one.
        """
        secured: Secured = transport.secured
        self._stack.upgrade.judge(secured, transport.getPeer)
        return secured.muxer

    def machine(self) -> Machine:
        """
        Make the machine of our side.
        """
        muxers = self._stack.muxers
        if self._stack.client:
            return multistream.Initiator(tuple(muxers), ask=True)
        return multistream.Responder(muxers.__contains__, muxers.keys)

    def choose(self, agreed: str, transport: Any) -> IProtocolFactory:
        """
        Return the factory of the muxer.
        """
        return self._wrap(agreed, transport)

    def failed(self, reason: Failure, protocol: IProtocol | None) -> None:
        """
        Fail the upgrade.
        """
        self._stack.upgrade.fail(reason)


class AcceptingFactory(Factory):
    """
    Stacks the layers on every transport that is accepted.
    """

    noisy = False

    def __init__(self, accept: Callable[[IAddress | None], Stack | None]) -> None:
        """
        Accept transports.

        @param accept: returns the stack for a transport from an address; None to
            refuse it.
        """
        self._accept = accept

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the ports that listen.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        """
        Build the outermost layer of a transport.
        """
        stack = self._accept(addr)
        return None if stack is None else stack.buildProtocol(addr)
