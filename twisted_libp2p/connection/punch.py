# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dials of hole punching: all addresses at once, from a port on which we listen, again and
again for a few seconds.

See libp2p/specs, relay/DCUtR.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.choice import TransportChoice
from twisted_libp2p.connection.upgrader import Punch, Upgrader
from twisted_libp2p.errors import (
    DialFailed,
    LocalError,
    NodeStopping,
    UnsupportedAddress,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AnyTransport,
    DialOptions,
    IAddressFilter,
    IConnection,
    IPacketPunching,
    Role,
)
from twisted_libp2p.pacing import Deadline

__all__ = ["Puncher"]

#: Seconds until a dial that was refused is tried again: the first number, or up to the
#: second, or to the round trip if that is longer.  They are random: two peers that
#: wait for the same time each would miss each other again and again.
SHORTEST_WAIT: Final = 0.01
USUAL_WAIT: Final = 0.05

#: The most addresses of a peer that are dialed because its packets come from there.
MAX_SIGHTED: Final = 4

#: The second number for packets without meaning, as in go-libp2p and rust-libp2p.
PACKET_WAIT: Final = 0.2

#: Seconds for which the server sends such packets, before it dials too: the router of a
#: peer may let everybody in, while ours chooses a port for each peer.  Two dials that
#: succeed at the same time would cost the streams of one of them.
PACKET_TIME: Final = 2.5


class Puncher:
    """
    Dials peers that dial us at the same time.
    """

    def __init__(
        self,
        upgrader: Upgrader,
        choice: TransportChoice,
        addressFilter: IAddressFilter,
        random: Callable[[], float],
    ) -> None:
        """
        @param choice: finds the transport of an address.
        @param addressFilter: decides which addresses that peers name are dialed.
        @param random: returns numbers from 0 to 1.
        """
        self._upgrader = upgrader
        self._clock = upgrader.context.clock
        self._choice = choice
        self._filter = addressFilter
        self._random = random
        self._running: set[_Run] = set()

    def punch(
        self,
        peer: PeerID,
        addresses: Iterable[Multiaddr],
        role: Role,
        roundTrip: float | None,
        seconds: float,
        origin: Origin,
    ) -> Deferred[IConnection]:
        """
        Dial a peer at all its addresses.

        A connection that the peer opens from one of these hosts meanwhile is used too,
        and has the same role, if the peer dials us as well.  Its port may be another: a
        router may choose one for each connection.

        @param role: our part in the upgrade, whichever side opens the connection.
        @param roundTrip: seconds to the peer and back; None if the peer does not dial
            us at the same time: each address is tried once then.
        @param seconds: how long to try.
        @param origin: the place of the peer that names the addresses.
        @return: fires with the first connection.  Fails with L{DialFailed}.
        """
        bare = list(dict.fromkeys(each.withoutPeer() for each in addresses))
        run = _Run(peer, origin, self._ended, self._clock, seconds)
        self._running.add(run)
        if roundTrip is not None:
            run.punch = Punch(peer, role, run.succeeded)
            for host in {each.host for each in bare} - {None}:
                self._upgrader.expected.setdefault(host, []).append(run.punch)
        wait = None if roundTrip is None else max(USUAL_WAIT, roundTrip)
        options = DialOptions(role=role, fromListener=True, roundTrip=roundTrip)

        def dial(address: Multiaddr) -> None:
            dialing = self._repeat(run, address, options, wait)
            run.add(address, Deferred.fromCoroutine(dialing))

        for address in bare:
            dial(address)
        if wait is not None and role is Role.CLIENT:
            self._watch(run, bare, dial)
        run.check()
        return run.result

    def _watch(
        self,
        run: _Run,
        addresses: Iterable[Multiaddr],
        dial: Callable[[Multiaddr], None],
    ) -> None:
        """
        Dial the addresses from which the packets of the peer come, too.
        """
        known = set(addresses)
        most = len(known) + MAX_SIGHTED

        def sighted(source: Multiaddr) -> None:
            if source not in known and len(known) < most and not run.isOver:
                known.add(source)
                dial(source)

        watched: set[bytes | None] = set()
        for address in addresses:
            transport = self._choice.find(address, run.origin)
            if IPacketPunching.providedBy(transport) and address.host not in watched:
                watched.add(address.host)
                with suppress(UnsupportedAddress):
                    run.watching.append(transport.awaitPunches(address, sighted))

    def stop(self) -> None:
        """
        Give up all dials.
        """
        for each in list(self._running):
            each.result.addErrback(lambda _: None)
            each.result.cancel()

    def _ended(self, run: _Run) -> None:
        self._running.discard(run)
        expected = self._upgrader.expected
        for host, punches in list(expected.items()):
            if run.punch in punches:
                punches.remove(run.punch)
                if not punches:
                    del expected[host]

    async def _repeat(
        self, run: _Run, address: Multiaddr, options: DialOptions, wait: float | None
    ) -> IConnection:
        """
        Dial an address until that succeeds.  A router may answer a dial that comes too
        early by a reset.

        @param wait: maximum of the seconds between two dials; None for a single dial.
        """
        # The repetitions count as one dial.
        self._filter.dialing(run.origin, address)
        context = self._upgrader.context
        until = self._clock.seconds() + PACKET_TIME
        while True:
            if not context.open:
                raise NodeStopping
            context.connections.dialing(run.peer, address)
            transport = self._choice.find(address, run.origin)
            if transport is None:
                raise UnsupportedAddress(f"no transport of this node dials {address}")
            server = options.role is Role.SERVER
            if server and IPacketPunching.providedBy(transport):
                if self._clock.seconds() < until:
                    transport.sendPunch(address)
                    await self._pause(max(PACKET_WAIT, wait or 0.0))
                    continue
                options = replace(options, role=Role.CLIENT)
            try:
                return await self._dial(transport, run.peer, address, options)
            except (CancelledError, LocalError):
                raise
            except Exception as error:
                # An endpoint that is cancelled has an error of its own.
                if wait is None or run.isOver:
                    raise
                run.causes[address] = error
            await self._pause(wait)

    async def _dial(
        self,
        transport: AnyTransport,
        peer: PeerID,
        address: Multiaddr,
        options: DialOptions,
    ) -> IConnection:
        """
        Dial an address once.
        """
        upgrade = self._upgrader.outbound(transport, peer, options)
        return await self._upgrader.connect(
            upgrade, transport, address, options=options
        )

    def _pause(self, most: float) -> Deferred[None]:
        """
        Wait for a random time.

        @param most: maximum of the seconds.
        """
        seconds = SHORTEST_WAIT + (most - SHORTEST_WAIT) * self._random()
        return deferLater(self._clock, seconds)


class _Run:
    """
    The dials of one peer.

    @ivar origin: the place of the peer that has named the addresses.
    @ivar result: fires with the first connection.
    @ivar causes: for each address its last error.
    @ivar watching: called at the end.
    @ivar punch: the connections of the peer that the upgrader expects; None if none.
    """

    def __init__(
        self,
        peer: PeerID,
        origin: Origin,
        ended: Callable[[_Run], object],
        clock: IReactorTime,
        seconds: float,
    ) -> None:
        """
        @param ended: called at the end.
        @param seconds: how long to try.
        """
        self.peer = peer
        self.origin = origin
        self.result: Deferred[IConnection] = Deferred(lambda _: self._end())
        self.causes: dict[Multiaddr, Exception] = {}
        self.punch: Punch | None = None
        self.watching: list[Callable[[], None]] = []
        self._left = 0
        self._ended = ended
        self._dials: dict[Multiaddr, Deferred[IConnection]] = {}
        self._begun = self._isOver = False
        self._deadline = Deadline(clock, seconds, self._giveUp)

    def add(self, address: Multiaddr, dial: Deferred[IConnection]) -> None:
        """
        Wait for the dial of an address.
        """
        self._left += 1
        self._dials[address] = dial
        dial.addCallbacks(self.succeeded, self._failed, errbackArgs=(address,))

    @property
    def isOver(self) -> bool:
        """
        Whether the dials have been given up.
        """
        return self._isOver

    def succeeded(self, connection: IConnection) -> None:
        """
        Report the first connection.
        """
        if not self.result.called:
            self.result.callback(connection)
            self._end()

    def check(self) -> None:
        """
        Fail if no dial is left.  Called first after the last L{add} of the beginning.
        """
        self._begun = True
        if not self._left and not self.result.called:
            causes = [(str(each), error) for each, error in self.causes.items()]
            self.result.errback(DialFailed(str(self.peer), causes))
            self._end()

    def _failed(self, reason: Failure, address: Multiaddr) -> None:
        self._left -= 1
        if isinstance(reason.value, Exception):
            self.causes.setdefault(address, reason.value)
        if self._begun:
            self.check()

    def _end(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self._ended(self)
        for stop in self.watching:
            stop()
        self.watching.clear()
        self._giveUp()

    def _giveUp(self) -> None:
        """
        Cancel the dials.
        """
        self._isOver = True
        for each in self._dials.values():
            each.cancel()
