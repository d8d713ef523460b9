# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One connection between the socket and its channels: ICE, and the machine of DTLS and
SCTP.

A listener is "ICE lite": it answers requests and sends none.  A dialer sends them, from
the beginning to the end of the connection.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_libp2p.interfaces import LossCause, QuicEvent, QuicStats, SentDatagram
from twisted_libp2p.webrtc.native import Connection, RtcCause, RtcEvent
from twisted_libp2p.webrtc.stun import PREFIXES, answered, isStun, makeRequest

__all__ = ["CONSENT_TIME", "IDLE_TIMEOUT", "Association", "Ice", "lossOf"]

Event = tuple[object, ...]

#: Seconds of silence of the peer that end a connection: also a peer without anything to
#: say sends the requests of ICE.
IDLE_TIMEOUT = 30.0

#: Seconds between the requests of a dialer, by which it asks for consent (RFC 7675).
CONSENT_TIME = 5.0

#: Seconds until the first request is sent again; each next time it is twice as long.
_FIRST_RETRY = 0.1

#: The bytes of a group of datagrams, and their number.
_MAX_GROUP = 60000
_MAX_SEGMENTS = 40

_CAUSES = {
    RtcCause.PEER: LossCause.APPLICATION,
    RtcCause.BROKEN: LossCause.TRANSPORT,
    RtcCause.LOCAL: LossCause.LOCAL,
    RtcCause.TIMEOUT: LossCause.TIMEOUT,
}


def lossOf(event: Event) -> Event:
    """
    Translate the end of a connection.
    """
    cause = _CAUSES[RtcCause(event[1])]  # type: ignore[arg-type]
    return (QuicEvent.LOST, cause, int(cause is LossCause.TRANSPORT), event[2])


class Ice:
    """
    The requests of a dialer.

    @ivar ufrag: the user name of both sides.
    @ivar answered: whether the listener has answered.
    """

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """
        @param random: returns random bytes.
        """
        self.answered = False
        self._random = random
        self.ufrag = PREFIXES[0].encode() + random(16).hex().encode()
        self._tie = random(8)
        self._transaction = b""
        self._retry = _FIRST_RETRY
        self.due = 0.0

    def request(self, now: float) -> bytes:
        """
        Make the next request: the same one again as long as there is no answer, which
        may take longer than the next try.
        """
        if self.answered or not self._transaction:
            self._transaction = self._random(12)
        self._retry = min(2 * self._retry, CONSENT_TIME)
        self.due = now + (CONSENT_TIME if self.answered else self._retry)
        return makeRequest(self.ufrag, self._transaction, self._tie)

    def receive(self, now: float, data: bytes) -> None:
        """
        Take an answer.
        """
        if answered(data, self.ufrag) == self._transaction:
            self.answered = True
            self.due = now + CONSENT_TIME


class Association:
    """
    One connection.

    @ivar machine: DTLS and SCTP.
    @ivar host: the IP address of the peer.
    @ivar port: its port.
    @ivar dialed: whether our side has dialed.
    @ivar hash: the multihash of our certificate.
    @ivar early: events of channels that came before anybody cared for them.
    """

    __slots__ = (
        "_counts",
        "_heard",
        "_ice",
        "_over",
        "dialed",
        "early",
        "hash",
        "host",
        "machine",
        "port",
    )

    def __init__(
        self,
        machine: Connection,
        multihash: bytes,
        host: str,
        port: int,
        now: float,
        ice: Ice | None = None,
    ) -> None:
        """
        @param ice: the requests to send; None if the peer has dialed.
        """
        self.machine = machine
        self.hash = multihash
        self.host = host
        self.port = port
        self.dialed = ice is not None
        self.early: list[Event] = []
        self._ice = ice
        self._heard = now
        self._over = False
        self._counts = [0, 0]

    def receive(self, now: float, data: bytes) -> None:
        """
        Take a datagram of the peer.
        """
        self._heard = now
        self._counts[1] += 1
        if not isStun(data):
            self.machine.receive(now, data)
        elif self._ice is not None:
            self._ice.receive(now, data)

    def poll(
        self, now: float
    ) -> tuple[list[SentDatagram], list[Event], float | None, bool]:
        """
        Advance.

        @return: datagrams to send; events, which are those of L{RtcEvent}; the time of
            the next poll; and whether the connection is over.
        """
        out: list[bytes] = []
        ice, due = self._ice, self._heard + IDLE_TIMEOUT
        if ice is not None and not self._over:
            if ice.due <= now:
                out.append(ice.request(now))
            due = min(due, ice.due)
        events: list[Event] = []
        if now >= self._heard + IDLE_TIMEOUT and not self._over:
            self.machine.close(now)
            self._over = True
            events.append((RtcEvent.LOST, RtcCause.TIMEOUT, "the peer is silent"))
        over = False
        if ice is None or ice.answered or self._over:
            more, happened, next_, over = self.machine.poll(now)
            out += more
            events += [each for each in happened if self._passes(each)]
            due = due if next_ is None else min(due, next_)
        return self._grouped(out), events, None if over else due, over

    def _passes(self, event: Event) -> bool:
        """
        Check whether an event is to be reported: the end is, once.
        """
        if event[0] != RtcEvent.LOST:
            return True
        first, self._over = not self._over, True
        return first

    def _grouped(self, out: list[bytes]) -> list[SentDatagram]:
        """
        Put datagrams of the same size together.
        """
        self._counts[0] += len(out)
        found: list[SentDatagram] = []
        place = 0
        while place < len(out):
            size = len(out[place])
            end = place + 1
            most = place + min(_MAX_SEGMENTS, max(_MAX_GROUP // (size or 1), 1))
            while end < len(out) and end < most and len(out[end - 1]) == size:
                if len(out[end]) > size:
                    break
                end += 1
            data = out[place] if end == place + 1 else b"".join(out[place:end])
            segment = size if end > place + 1 else 0
            found.append(SentDatagram(data, self.host, self.port, segment))
            place = end
        return found

    def close(self, now: float) -> None:
        """
        Close the connection.
        """
        if self._ice is not None and not self._ice.answered:
            # Nobody has heard of it.
            self._ice.answered = True
        self.machine.close(now)

    def stats(self) -> QuicStats:
        """
        Return facts of the connection; SCTP does not say its round trips.
        """
        sent, received = self._counts
        return QuicStats(0.0, 0, 0, 0, sent, received)
