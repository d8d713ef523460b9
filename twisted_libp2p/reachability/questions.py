# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The questions that are asked of servers, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import Verdict
from twisted_libp2p.logger import Logger
from twisted_libp2p.reachability.prober import Outcome, Prober
from twisted_libp2p.reachability.servers import Server, Servers
from twisted_libp2p.reachability.tracker import TARGET, Tracker

__all__ = ["Questions"]

#: Seconds after a change until servers are asked, so that several changes make one
#: round.
DELAY: Final = 1.0

#: Seconds between two looks for servers that may be asked again.
LOOK: Final = 10.0

#: Number of questions that are under way at once, as in go-libp2p.
MAX_QUESTIONS: Final = 5


class Question(NamedTuple):
    """
    The kind of a question that was answered.

    @ivar version: the version of AutoNAT.
    @ivar family: the version of IP of the address.
    @ivar transport: its transport.
    @ivar refused: whether the server does not dial it.
    @ivar verdict: the answer.
    """

    version: int
    family: str
    transport: str
    refused: bool
    verdict: Verdict


class Questions:
    """
    Asks servers as long as votes are missing.

    @ivar answers: the number of answered questions by their kind.
    @ivar counts: the number of answers by their outcome: C{reachable}, C{unreachable}
        and C{unknown}.
    @ivar notes: for each end the last question that taught nothing, and why.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        prober: Prober,
        servers: Servers,
        tracker: Tracker,
        answered: Callable[[Multiaddr, Server, Outcome], object],
    ) -> None:
        """
        Ask nothing yet.

        @param clock: runs the timers.
        @param prober: asks a server.
        @param servers: the peers that can be asked.
        @param tracker: knows which votes are missing.
        @param answered: called with the end, the server and its answer, if that is a
            vote.
        """
        self._clock = clock
        self._prober = prober
        self._servers = servers
        self._tracker = tracker
        self._report = answered
        self._running: dict[Server, tuple[Multiaddr, Deferred[None]]] = {}
        self._looking: IDelayedCall | None = None
        self.counts = dict.fromkeys((each.value for each in Verdict), 0)
        self.answers: Counter[Question] = Counter()
        self.notes: dict[Multiaddr, str] = {}

    def stop(self) -> None:
        """
        Give up all questions.
        """
        for _, question in list(self._running.values()):
            question.cancel()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        self._prober.stop()

    def soon(self, seconds: float = DELAY) -> None:
        """
        Look for questions to ask, after some seconds at the latest.
        """
        if not len(self._servers) or not self._tracker.ends:
            return
        looking = self._looking
        if looking is not None:
            if looking.getTime() <= self._clock.seconds() + seconds:
                return
            looking.cancel()
        self._looking = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        """
        Ask as many questions as there are to ask now.
        """
        self._looking = None
        now = self._clock.seconds()
        self._tracker.expire(now)
        ends = list(self._tracker.ends)
        wanting = [each for each in ends if self._askAbout(each, now)]
        due = self._tracker.nextDue(now)
        self.soon(LOOK if wanting or due is None else max(LOOK, due))

    def _askAbout(self, end: Multiaddr, now: float) -> bool:
        """
        Ask several servers about an end.

        @return: whether another vote is wanted that no server can give now.
        """
        while (fresh := self._tracker.wanted(end, now)) is not None:
            asked = {
                server.network
                for server, (about, _) in self._running.items()
                if about == end
            }
            # After a contradiction one at a time.
            if len(fresh | asked) >= max(TARGET, len(fresh) + 1):
                break
            if len(self._running) >= MAX_QUESTIONS:
                return True
            address = self._tracker.ends[end].addresses[0]
            server = self._servers.choose(address, fresh | asked, now)
            if server is None:
                return True
            self._ask(server, end, address)
        return False

    def _ask(self, server: Server, end: Multiaddr, address: Multiaddr) -> None:
        """
        Ask one question.
        """
        self._prober.start()
        asking = Deferred.fromCoroutine(self._prober.ask(server, address))
        question = asking.addCallback(self._answered, server, end, address)
        self._running[server] = end, question
        question.addErrback(self._failed)
        question.addBoth(lambda _: self._running.pop(server, None))

    def _failed(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            self._log.failure("a question of AutoNAT has failed", reason)

    def _answered(
        self, outcome: Outcome, server: Server, end: Multiaddr, address: Multiaddr
    ) -> None:
        """
        Take the answer of a server.
        """
        verdict = _VERDICTS[outcome.reached]
        self.counts[verdict.value] += 1
        kind = Question(
            server.version,
            address.first,
            address.names[-1],
            address in server.refused,
            verdict,
        )
        self.answers[kind] += 1
        self._log.debug(
            "{end} is {verdict} for {peer}: {reason}",
            end=str(end),
            verdict=verdict.value,
            peer=str(server.peer),
            reason=outcome.reason,
        )
        if outcome.reached is not None:
            self.notes.pop(end, None)
            self._report(end, server, outcome)
        elif end in self._tracker.ends:
            self.notes[end] = f"{server.peer}: {outcome.reason}"
        self.soon()


_VERDICTS: Final = {
    True: Verdict.REACHABLE,
    False: Verdict.UNREACHABLE,
    None: Verdict.UNKNOWN,
}
