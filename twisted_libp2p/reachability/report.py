# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The verdicts in words: why a node can be reached, or cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    Reachability,
    Verdict,
)
from twisted_libp2p.reachability.observed import Mapping
from twisted_libp2p.reachability.tracker import Vote

__all__ = ["AddressReport", "Report"]

_SUMMARY = {
    Reachability.PUBLIC: "peers in the internet can dial this node",
    Reachability.PRIVATE: "peers in the internet cannot dial this node",
    Reachability.UNKNOWN: "it is not known whether peers in the internet can dial this"
    " node",
}

_SOURCES = {
    AddressSource.BOUND: "a listener",
    AddressSource.ANNOUNCED: "announced by the user",
    AddressSource.MAPPED: "mapped by the router",
    AddressSource.RELAYED: "at a relay",
    AddressSource.OBSERVED: "seen by peers",
}

_MAPPINGS = {
    Mapping.UNKNOWN: "too few peers have seen this node to know how its router chooses"
    " ports",
    Mapping.INDEPENDENT: "the router, if there is one, gives a listener one public"
    " port",
    Mapping.DEPENDENT: "the router gives each connection another public port: no port"
    " that peers see can be dialed by others",
}


def _count(number: int, thing: str) -> str:
    """
    Write a number of things.
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@dataclass(frozen=True, slots=True)
class AddressReport:
    """
    What is known of one address.

    @ivar address: the address.
    @ivar source: its origin.
    @ivar confidence: how sure it is that it leads here.
    @ivar verdict: the verdict; None for an address that nobody in the internet could
        dial.
    @ivar since: the time of the verdict, in seconds since the epoch; 0.0 before any.
    @ivar stale: whether the network has changed since.
    @ivar networks: the number of networks whose peers have seen us at the address.
    @ivar votes: the answers of peers, the oldest first.
    @ivar note: the last question that taught nothing, and why; empty without one.
    """

    address: Multiaddr
    source: AddressSource
    confidence: Confidence
    verdict: Verdict | None
    since: float = 0.0
    stale: bool = False
    networks: int = 0
    votes: tuple[Vote, ...] = ()
    note: str = ""

    def lines(self, now: float) -> Iterable[str]:
        """
        Describe the address.

        @param now: the time.
        """
        about = [_SOURCES[self.source]]
        if self.networks:
            about.append(f"seen from {_count(self.networks, 'network')}")
        given = self.confidence >= Confidence.LIKELY
        about.append("given to peers" if given else "not given to peers")
        verdict = "not public" if self.verdict is None else self.verdict.value
        if self.stale:
            verdict += " before the network changed"
        yield f"{verdict:12} {self.address}  ({', '.join(about)})"
        for vote in self.votes:
            result = "reached" if vote.reached else "not reached"
            ago = max(0.0, now - vote.time)
            yield (
                f"             {result} by {vote.peer}, {vote.evidence.value},"
                f" {ago:.0f} s ago"
            )
        if self.note:
            yield f"             last question without a result: {self.note}"

    def facts(self) -> dict[str, Any]:
        """
        Return all of it as JSON has it.
        """
        return {
            "address": str(self.address),
            "source": self.source.name.lower(),
            "given": self.confidence >= Confidence.LIKELY,
            "verdict": None if self.verdict is None else self.verdict.value,
            "stale": self.stale,
            "networks": self.networks,
            "reached": [str(each.peer) for each in self.votes if each.reached],
            "not_reached": [str(each.peer) for each in self.votes if not each.reached],
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """
    The whole report.

    @ivar reachability: the verdict on the node.
    @ivar mapping: how the router chooses ports.
    @ivar servers: the number of connected peers that can be asked.
    @ivar networks: the number of their networks.
    @ivar serving: whether this node answers the questions of others.
    @ivar addresses: all addresses.
    """

    reachability: Reachability
    mapping: Mapping
    servers: int
    networks: int
    serving: bool
    addresses: tuple[AddressReport, ...]

    def lines(self, now: float) -> Iterable[str]:
        """
        Describe everything.

        @param now: the time.
        """
        yield f"{self.reachability.value}: {_SUMMARY[self.reachability]}"
        yield (
            f"{_count(self.servers, 'connected peer')} in"
            f" {_count(self.networks, 'network')} can try our addresses"
            if self.servers
            else "no connected peer can try our addresses: none speaks AutoNAT"
        )
        yield _MAPPINGS[self.mapping]
        if not self.addresses:
            yield "this node has no address: it does not listen"
        for each in self.addresses:
            yield from each.lines(now)

    def facts(self) -> dict[str, Any]:
        """
        Return all of it as JSON has it.
        """
        return {
            "reachability": self.reachability.value,
            "mapping": self.mapping.name.lower(),
            "servers": self.servers,
            "networks": self.networks,
            "serving": self.serving,
            "addresses": [each.facts() for each in self.addresses],
        }
