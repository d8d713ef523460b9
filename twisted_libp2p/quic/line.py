# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One QUIC connection between the socket and its session: it polls the backend, owns the
timer, and hands events on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_libp2p.errors import Libp2pError, StreamAborted
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Handshake,
    IQuicConnections,
    IQuicEndpoint,
    IUpgrade,
    LossCause,
    QuicEvent,
    QuicStats,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.begin import PROVEN_INSIDE, BeginWeb, IProvenInside, WebDial
from twisted_libp2p.quic.endings import failureOf
from twisted_libp2p.quic.life import LIFE, Life
from twisted_libp2p.quic.memory import keepEvents
from twisted_libp2p.quic.session import QuicSession

if TYPE_CHECKING:
    from twisted_libp2p.quic.hub import QuicHub

__all__ = ["EARLY", "QuicLine"]

Event = tuple[object, ...]

#: The most polls of a connection in one turn of the reactor.
_ROUNDS = 64

#: The most events of a poll that are acted on before what came of them is sent: the
#: peer works on the first answers while we go on.
EARLY = 32

#: Seconds by which a timer may be early or late without being moved.
_SLACK = 0.0005

# To read a member of an enumeration costs a call: these are needed for each datagram.
_HANDSHAKE, _LEAVING, _LOST = Life.HANDSHAKE, Life.LEAVING, Life.LOST
_NOTED = frozenset((QuicEvent.TOKEN, QuicEvent.LOST))

_log = Logger()


class QuicLine:
    """
    One connection.

    @ivar endpoint: the backend's endpoint.
    @ivar handle: the number of the connection there.
    @ivar dialed: whether our side has dialed.
    @ivar peer: the peer that has proven its identity; None so far.
    @ivar session: the session; None until the peer has proven its identity.
    @ivar layer: the name of the transport in errors.
    @ivar life: the state of the connection.
    @ivar host: the IP address of the peer at the beginning.
    @ivar port: the port of the peer.
    """

    __slots__ = (
        "_beginWeb",
        "_closeCode",
        "_dirty",
        "_driving",
        "_due",
        "_early",
        "_hub",
        "_hurried",
        "_timer",
        "_upgrade",
        "_web",
        "connectionWindow",
        "dialed",
        "endpoint",
        "handle",
        "host",
        "idleTimeout",
        "layer",
        "life",
        "peer",
        "port",
        "session",
        "streamWindow",
    )

    def __init__(
        self,
        hub: QuicHub,
        endpoint: IQuicEndpoint,
        handle: int,
        upgrade: IUpgrade,
        dialed: bool,
        host: str,
        port: int,
        web: WebDial | None = None,
    ) -> None:
        """
        @param web: how a dial goes on with a handshake inside; None if it does not.
        """
        settings = hub.settings
        self._hub = hub
        self._upgrade: IUpgrade | None = upgrade
        self.endpoint: IQuicConnections = endpoint
        self._beginWeb = None if web is None else web.begin
        self._web: IProvenInside | None = None
        self.handle = handle
        self.dialed = dialed
        self.host = host
        self.port = port
        self.peer: PeerID | None = None
        self.session: QuicSession | None = None
        self.life = Life.HANDSHAKE
        self.idleTimeout = settings.idleTimeout
        self.layer = hub.layer
        self.streamWindow = settings.streamWindow
        self.connectionWindow = settings.connectionWindow
        # Events before there is a session.
        self._early: list[Event] = []
        self._closeCode = 0
        self._dirty = self._driving = self._hurried = False
        self._timer: IDelayedCall | None = None
        self._due = 0.0

    @property
    def lost(self) -> bool:
        """
        Whether the connection has ended.
        """
        return self.life is _LOST

    def _move(self, event: str) -> bool:
        """
        Go to the state after an event.

        @return: False if the event changes nothing.
        """
        before, self.life = self.life, stateAfter(LIFE, self.life, event)
        return self.life is not before

    def stats(self) -> QuicStats:
        """
        Return facts of the connection.
        """
        return self.endpoint.stats(self.handle)

    # Calls of the session

    def arrived(self) -> None:
        """
        Note that datagrams have come: the hub polls the connection now.
        """
        self._dirty = True

    def touch(self) -> None:
        """
        Poll the connection in this turn of the reactor.
        """
        if not self._dirty:
            self._dirty = True
            if not self._driving:
                self._hub.touch(self)

    def hurry(self) -> None:
        """
        Have the peer acknowledge soon: it may wait 25 ms with one packet, and not with
        two.
        """
        self._hurried = True
        self.touch()

    def close(self, code: int) -> None:
        """
        Close the connection when all is sent that the peer takes now.
        """
        if self._upgrade is not None:
            # The peer has not accepted us: it would drop what is sent.
            self.abort(code)
        elif self._move("close"):
            self._closeCode = code
            self.touch()

    def abort(self, code: int) -> None:
        """
        Close the connection at once.
        """
        if self._move("abort"):
            self.endpoint.close(self.handle, self._hub.now(), code, b"")
            self.touch()

    def begin(self) -> None:
        """
        Start the deadline of the handshake.
        """
        if self._upgrade is not None and not self._upgrade.begin(self.drop):
            self.drop()

    def drop(self) -> None:
        """
        Give up a connection that is under way.
        """
        self._upgrade = None
        if self.session is None:
            self.abort(0)
        else:
            self.session.abort(Failure(StreamAborted("the dial was given up")))

    def refused(self) -> None:
        """
        Give up a dial, since nobody receives at the address.  After the handshake this
        is ignored: anybody on the way could say so.
        """
        upgrade = self._upgrade
        if self.dialed and upgrade is not None:
            self.drop()
            upgrade.fail(
                Failure(ConnectionRefusedError(f"nobody receives at {self.host}"))
            )

    # The turn

    def drive(self) -> None:
        """
        Poll the connection now, if it was touched.
        """
        lines = self._hub.lines
        if not self._dirty or self._driving or self.handle not in lines:
            return
        living = self.life is not _LOST
        self._driving = True
        try:
            due, over = self._poll()
        except Exception:
            _log.failure("a connection of QUIC has failed")
            self._broken()
            due, over = None, True
        finally:
            self._driving = False
        if self.handle not in lines:
            # The socket was closed meanwhile.
            return
        if over:
            self.stop()
            self._hub.forget(self)
        else:
            self._arm(due)
            if self._dirty:
                self._hub.touch(self)
        if living and (over or self.life is _LOST):
            self._hub.lineLost()

    def _poll(self) -> tuple[float | None, bool]:
        """
        Poll until nothing is left to do, within bounds.

        @return: the time of the next poll, and whether the connection is over.
        """
        hub, handle, due, over = self._hub, self.handle, None, False
        waiting: list[Event] = []
        rounds = 0
        while waiting or rounds < _ROUNDS:
            rounds += 1
            self._dirty = False
            now = hub.now()
            sent, events, due, over = self.endpoint.poll(handle, now)
            for each in sent:
                hub.send(each)
            if events:
                waiting += events
                if self.life is _HANDSHAKE and not self.dialed:
                    # The peer may wait for our confirmation of the handshake: this
                    # leaves before the work for the new connection begins.
                    continue
            if waiting:
                waiting = self._act(waiting, over)
                if over or handle not in hub.lines:
                    break
            elif over or not (
                self._dirty or (due is not None and due <= now) or self._last()
            ):
                break
        return due, over

    def _last(self) -> bool:
        """
        Do what waits until all else is sent.

        @return: whether there was anything.
        """
        if self._hurried:
            self._hurried = False
            self.endpoint.ping(self.handle)
        elif self.life is _LEAVING:
            self.abort(self._closeCode)
        else:
            return False
        return True

    def _act(self, waiting: list[Event], everything: bool) -> list[Event]:
        """
        Act on the first events.

        @return: the others.
        """
        events, rest, before = waiting, [], self._web
        if len(waiting) > EARLY and not everything:
            # See "Flushing in the middle of a read" in docs/internals.rst.
            events, rest = waiting[:EARLY], waiting[EARLY:]
        self._happened(events)
        if self._web is before or self._web is None:
            return rest
        self._web.feed(rest)
        return []

    def _arm(self, due: float | None) -> None:
        """
        Set the timer.  If it comes too early, it stays: it finds nothing to do.
        """
        if due is None:
            self._stopTimer()
            return
        timer = self._timer
        if timer is not None:
            if self._due <= due + _SLACK:
                return
            timer.cancel()
        self._due = due
        delay = max(due - self._hub.now(), 0.0)
        self._timer = self._hub.clock.callLater(delay, self._timerFired)

    def _timerFired(self) -> None:
        self._timer = None
        self._dirty = True
        self.drive()

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """
        Forget the timer and the session, as the connection is over, or its socket gone.
        """
        self._stopTimer()
        self.session = None

    # Events

    def _happened(self, events: Sequence[Event]) -> None:
        """
        Act on the events of one poll.
        """
        session = self.session
        if session is None or self._upgrade is not None:
            keepEvents(self._early, events)
            self._beginning(events)
            return
        for each in events:
            if each[0] in _NOTED:
                self._noted(each)
        session.happened(events)

    def _noted(self, event: Event) -> None:
        if event[0] == QuicEvent.TOKEN:
            if self.peer is not None and isinstance(event[1], bytes):
                self._hub.memory.keep(self.peer, event[1])
        else:
            self._move("lose")
            if self.dialed and self.peer is not None:
                self._hub.memory.ended(self.peer, self.stats().roundTrip)

    def _beginning(self, events: Sequence[Event]) -> None:
        """
        Act on the events of a handshake.
        """
        proof = QuicEvent.CONFIRMED if self.dialed else QuicEvent.CONNECTED
        for kind, *rest in events:
            if kind == QuicEvent.LOST:
                self._move("lose")
                self._failed(*rest)  # type: ignore[arg-type]
                return
        upgrade = self._upgrade
        if upgrade is None:
            return
        kinds = {each[0] for each in events}
        if proof in kinds:
            if self._web is None and (begin := self._goesOn()):
                self._goOn(begin, upgrade.handshake)
            else:
                self._secured(upgrade)
        elif QuicEvent.CONNECTED in kinds and upgrade.opensEarly and not self._beginWeb:
            self._openEarly(upgrade)

    def _goesOn(self) -> BeginWeb | None:
        """
        Return what begins the handshake inside, if the peer is a browser, or if we have
        dialed as one does.
        """
        hub, begin = self._hub, self._beginWeb
        if not self.dialed and hub.acceptWeb is not None:
            begin = hub.beginWeb
        inside = self.endpoint.alpn(self.handle) in PROVEN_INSIDE
        return begin if inside else None

    def _goOn(self, begin: BeginWeb, handshake: Handshake) -> None:
        """
        Go on with the handshake of Noise inside the connection.
        """
        early, self._early = self._early, []
        self._web = begin(self.endpoint, self.handle, handshake, early)
        self.endpoint = self._web
        self.touch()

    def _secured(self, upgrade: IUpgrade) -> None:
        """
        Hand the session over: each side has accepted the other's certificate.
        """
        try:
            secured = self._hub.prove(self, upgrade.handshake, self._web)
            self.peer = secured.remotePeer
        except Libp2pError:
            reason = Failure()
            self.drop()
            upgrade.fail(reason)
            return
        self._upgrade = None
        self._move("secure")
        self._hub.settled(self)
        session = self.session = self.session or self._hub.makeSession(self, self._web)
        early, self._early = self._early, []
        for each in early:
            if each[0] == QuicEvent.TOKEN:
                self._noted(each)
        upgrade.upgraded(secured, session)
        session.happened(early)

    def _openEarly(self, upgrade: IUpgrade) -> None:
        """
        Open a stream, since the peer has proven its identity, and would have to wait
        for what we send until it has accepted us.
        """
        try:
            secured = self._hub.prove(self, upgrade.handshake, None)
        except Libp2pError:
            # It is reported when the peer has accepted us.
            return
        session = self.session = self._hub.makeSession(self, None)
        upgrade.early(secured, session)
        session.turns.run()

    def _failed(self, cause: LossCause, code: int, text: str) -> None:
        """
        Report that the handshake has failed.
        """
        upgrade = self._upgrade
        if upgrade is None:
            return
        expected = upgrade.handshake.expected
        error: Exception | None = None
        if self._web is not None:
            error = self._web.refusal
        elif expected is not None:
            error = self._hub.judge.refusals.pop(expected.toBytes(), None)
        self._upgrade = None
        error = error or failureOf(cause, code, text, self.idleTimeout, self.layer)
        # First the failure of this address: an attempt at another one may wait for the
        # end of the session.
        upgrade.fail(Failure(error))
        if self.session is not None:
            # Its stream was opened early.
            self.session.happened([(QuicEvent.LOST, cause, code, text)])

    def _broken(self) -> None:
        """
        End the connection after an error of the backend or of ours.
        """
        if not self._move("lose"):
            return
        lost = (QuicEvent.LOST, LossCause.TRANSPORT, 1, "internal error")
        if self._upgrade is None and self.session is not None:
            self.session.happened([lost])
        else:
            self._failed(LossCause.TRANSPORT, 1, "internal error")
