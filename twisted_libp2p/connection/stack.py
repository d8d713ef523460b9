# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way of a byte: negotiate, secure, negotiate, multiplex.

L{Stack.stack} is the stack of this package in one expression: a factory that wraps a
factory that wraps a factory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from twisted_libp2p.connection.connection import Connection
from twisted_libp2p.connection.upgrade import Upgrade
from twisted_libp2p.errors import (
    LegacyPeer,
    NegotiationFailed,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.interfaces import IManagedConnection, IMuxer, ISecurity, Role
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
        @param securities: the security protocols by their id, in order of preference.
        @param muxers: the muxers by their id, in order of preference.
        @param clock: runs the timers.
        @param dialect: the dialect of the client: L{MULTISTREAM}, L{SEQUENTIAL} or
            L{BOOTSTRAP}.  A server answers all of them.
        """
        self.upgrade = upgrade
        self._securities = securities
        self._muxers = muxers
        self._clock = clock
        self._dialect = dialect
        self._client = upgrade.role is Role.CLIENT
        # Every peer that knows the draft's dialect answers soon.
        self._bootstrap = (
            Deadlines(clock, BOOTSTRAP_DEADLINE) if dialect == BOOTSTRAP else None
        )
        self._machine: Machine | None = None
        if self._bootstrap is not None:
            upgrade.connection.addBoth(self._ended, self._bootstrap)

    def stack(self) -> Negotiation:
        """
        Stack the layers: negotiate, secure, negotiate, multiplex.
        """
        handshake = self.upgrade.handshake
        return Negotiation(
            self._onTransport,
            lambda security, transport: self._securities[security].wrap(
                handshake,
                Negotiation(
                    self._onSecured,
                    lambda muxer, secure: self._muxers[muxer].wrap(
                        self.upgrade.role, self._connect(muxer, secure)
                    ),
                    already=self._secured,
                    failed=self.upgrade.fail,
                    clock=self._clock,
                ),
            ),
            failed=self._failed,
            optimistic=self._optimistic(),
            clock=self._clock,
            deadlines=self._bootstrap,
        )

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Negotiator | None:
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
        return negotiator

    def _ended(
        self, result: IManagedConnection | Failure, bootstrap: Deadlines
    ) -> IManagedConnection | Failure:
        """
        Stop the deadline of the draft's dialect.
        """
        bootstrap.stop()
        return result

    def _onTransport(self) -> Machine:
        """
        Make the machine that negotiates a security protocol on the raw transport.
        """
        securities = self._securities
        if not self._client:
            self._machine = bootstrap.Listener(securities.__contains__, securities.keys)
        elif self._dialect == BOOTSTRAP:
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
        securities = tuple(self._securities)
        return securities[:1] if self._dialect == MULTISTREAM else securities

    def _optimistic(self) -> str | None:
        """
        Return the security protocol to begin before the peer has confirmed it: the one
        that is proposed alone.  Its first message cannot be mistaken for
        multistream-select, so a peer that refuses it gets no further.
        """
        if not self._client or self._dialect == BOOTSTRAP:
            return None
        first, *others = self._proposals()
        return None if others else first

    def _secured(self, secure: Any) -> str | None:
        """
        Judge the peer, and return the muxer if the handshake has agreed on one.
        """
        self.upgrade.judge(secure.secured, secure.getPeer())
        muxer: str | None = secure.secured.muxer
        return muxer

    def _onSecured(self) -> Machine:
        """
        Make the machine that negotiates the muxer.
        """
        muxers = self._muxers
        if self._client:
            return multistream.Initiator(tuple(muxers), ask=True)
        return multistream.Responder(muxers.__contains__, muxers.keys)

    def _connect(self, muxer: str, secure: Any) -> Connection:
        """
        Make the connection that the muxer serves.
        """
        return self.upgrade.connect(muxer, secure.secured, secure.getHost())

    def _failed(self, reason: Failure, _: object = None) -> None:
        """
        Fail the upgrade, because the outer negotiation has failed.  A peer that gives
        no answer to a bootstrap does not know the draft: such peers wait for more, or
        hang up.
        """
        if (
            isinstance(self._machine, bootstrap.Dialer)
            and not self._machine.answered
            and reason.check(NegotiationFailed, UpgradeTimeout)
            and not reason.check(UnsupportedProtocol)
        ):
            reason = Failure(LegacyPeer())
        self.upgrade.fail(reason)


class AcceptingFactory(Factory):
    """
    Stacks the layers on every transport that is accepted.
    """

    noisy = False

    def __init__(self, accept: Callable[[IAddress | None], Stack | None]) -> None:
        """
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
    ) -> Negotiator | None:
        """
        Build the outermost layer of a transport.
        """
        stack = self._accept(addr)
        return None if stack is None else stack.buildProtocol(addr)
