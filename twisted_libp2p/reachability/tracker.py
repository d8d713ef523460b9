# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The verdicts on our addresses, without I/O.

Addresses that share an end (an IP address with a port of TCP or UDP) share its verdict:
they are one socket.  Each network has one vote on an end, that of its last answer, so
that a crowd of peers in one network cannot decide.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.places import endOf
from twisted_libp2p.interfaces import Reachability, Verdict

__all__ = ["MAX_ENDS", "MAX_VOTES", "TARGET", "End", "Evidence", "Tracker", "Vote"]

#: Number of ends that are tracked, as in go-libp2p.
MAX_ENDS: Final = 50

#: Number of votes that are asked for, if so many networks have a server; and if they
#: contradict each other.
TARGET: Final = 3
MAX_VOTES: Final = 5

#: Number of votes that make a verdict, if so many networks have a server.
DECISIVE: Final = 2

#: Seconds after which the votes on a reachable end, and on another, are asked for
#: again.
REFRESH: Final = 3600.0
RETRY: Final = 600.0

#: Seconds after which a vote is dropped, as in go-libp2p.
LIFETIME: Final = 5 * 3600.0


class Evidence(Enum):
    """
    The ways in which a vote is obtained.
    """

    AUTONAT_2 = "AutoNAT v2"
    AUTONAT_1 = "AutoNAT v1"
    #: A peer that we have never dialed has connected to us.
    INBOUND = "an inbound connection"


@dataclass(frozen=True, slots=True)
class Vote:
    """
    The answer of a peer.

    @ivar reached: whether we were reached.
    @ivar time: when, in seconds since the epoch.
    @ivar peer: the peer, as text.
    @ivar evidence: how it was obtained.
    """

    reached: bool
    time: float
    peer: str
    evidence: Evidence


@dataclass(slots=True)
class End:
    """
    An end at which we may be reached.

    @ivar addresses: our addresses at this end, of which the first one is probed.
    @ivar votes: the last vote of each network, the oldest first.
    @ivar verdict: the verdict.
    @ivar since: the time of the verdict, in seconds since the epoch; 0.0 before any.
    @ivar stale: whether the network has changed since the verdict, which stays until
        there are new votes.
    """

    addresses: tuple[Multiaddr, ...]
    votes: dict[Hashable, Vote] = field(default_factory=dict)
    verdict: Verdict = Verdict.UNKNOWN
    since: float = 0.0
    stale: bool = False

    @property
    def reached(self) -> int:
        """
        The number of votes that say that we are reached.
        """
        return sum(each.reached for each in self.votes.values())


class Tracker:
    """
    Collects votes on our ends.

    @ivar networks: the number of networks that have a server of AutoNAT.
    """

    def __init__(self) -> None:
        self.networks = 0
        self._ends: dict[Multiaddr, End] = {}

    @property
    def ends(self) -> dict[Multiaddr, End]:
        """
        The tracked ends.
        """
        return self._ends

    def track(self, addresses: Iterable[Multiaddr]) -> bool:
        """
        Set the addresses at which we may be reached.

        @return: whether an end is new, or gone.
        """
        found: dict[Multiaddr, list[Multiaddr]] = {}
        for each in addresses:
            end = endOf(each)
            if end is None or (end not in found and len(found) >= MAX_ENDS):
                continue
            found.setdefault(end, []).append(each)
        changed = found.keys() != self._ends.keys()
        before, self._ends = self._ends, {}
        for end, those in found.items():
            # The shortest one needs the fewest layers, and most peers can dial it.
            ordered = tuple(sorted(dict.fromkeys(those), key=len))
            known = self._ends[end] = before.get(end) or End(ordered)
            known.addresses = ordered
        return changed

    def vote(self, address: Multiaddr, network: Hashable, vote: Vote) -> bool:
        """
        Take the answer of a peer.

        @param address: the address, or the end.
        @param network: the network of the peer.
        @return: whether the verdict has changed.
        """
        end = endOf(address)
        known = None if end is None else self._ends.get(end)
        if known is None:
            return False
        votes = known.votes
        votes.pop(network, None)
        votes[network] = vote
        while len(votes) > MAX_VOTES:
            del votes[next(iter(votes))]
        return self._decide(known, vote.time)

    def _decide(self, end: End, now: float) -> bool:
        """
        Decide by the majority.  Without one the verdict stays.
        """
        reached = end.reached
        failed = len(end.votes) - reached
        needed = min(DECISIVE, max(1, self.networks))
        if all(each.evidence is Evidence.INBOUND for each in end.votes.values()):
            # Such a peer names the address that it has dialed, and might lie.
            needed = DECISIVE
        verdict = end.verdict
        if reached > failed and reached >= needed:
            verdict = Verdict.REACHABLE
        elif failed > reached and failed >= needed:
            verdict = Verdict.UNREACHABLE
        else:
            return False
        end.stale = False
        if verdict is end.verdict:
            return False
        end.verdict = verdict
        end.since = now
        return True

    def wanted(self, end: Multiaddr, now: float) -> set[Hashable] | None:
        """
        Return the networks whose votes on an end are fresh, if another vote is wanted;
        otherwise None.
        """
        known = self._ends[end]
        age = REFRESH if known.verdict is Verdict.REACHABLE else RETRY
        fresh = {
            network: each
            for network, each in known.votes.items()
            if now - each.time < age
        }
        reached = sum(each.reached for each in fresh.values())
        target = MAX_VOTES if 0 < reached < len(fresh) else TARGET
        if len(fresh) >= target:
            return None
        return set(fresh)

    def expire(self, now: float) -> None:
        """
        Drop old votes; verdicts stay.
        """
        for each in self._ends.values():
            each.votes = {
                network: vote
                for network, vote in each.votes.items()
                if now - vote.time < LIFETIME
            }

    def nextDue(self, now: float) -> float | None:
        """
        Return the seconds until the first vote is too old; None without votes.
        """
        times = [
            vote.time + (REFRESH if each.verdict is Verdict.REACHABLE else RETRY)
            for each in self._ends.values()
            for vote in each.votes.values()
        ]
        return max(0.0, min(times) - now) if times else None

    def doubt(self) -> None:
        """
        Ask for new votes after a change of the network; the verdicts stay until then.
        """
        for each in self._ends.values():
            each.votes.clear()
            each.stale = each.verdict is not Verdict.UNKNOWN

    def verdict(self, address: Multiaddr) -> Verdict:
        """
        Return the verdict on an address.
        """
        end = endOf(address)
        known = None if end is None else self._ends.get(end)
        return Verdict.UNKNOWN if known is None else known.verdict

    def reachability(self, symmetric: bool) -> Reachability:
        """
        Return the verdict on the node.

        @param symmetric: whether the router gives each connection another port.
        """
        verdicts = {each.verdict for each in self._ends.values()}
        if Verdict.REACHABLE in verdicts:
            return Reachability.PUBLIC
        if symmetric or verdicts == {Verdict.UNREACHABLE}:
            return Reachability.PRIVATE
        return Reachability.UNKNOWN
