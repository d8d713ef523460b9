# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Black holes: networks that drop all UDP, or all IPv6, without an error.

Dialing into one costs time and answers nothing.  So the outcomes of dials of public
addresses are counted, with the numbers of go-libp2p: if fewer than five of the last
hundred have led to a connection, such addresses are dialed after all others have
failed, but for one dial in a hundred, which finds out whether the hole has gone.
"""

from __future__ import annotations

from collections import deque

from twisted_libp2p.address import Multiaddr, Scope

__all__ = ["LEAST", "PROBE", "WINDOW", "BlackHole", "BlackHoles"]

#: The number of outcomes that are looked at.
WINDOW = 100

#: The least successes among them.
LEAST = 5

#: One dial in so many is made although it seems useless.
PROBE = 100


class BlackHole:
    """
    The outcomes of one kind of dials.
    """

    def __init__(self) -> None:
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self._asked = 0

    @property
    def known(self) -> bool:
        """
        Whether there are enough outcomes to judge.
        """
        return len(self._outcomes) == WINDOW

    @property
    def successes(self) -> float:
        """
        The share of the outcomes that are successes, from 0 to 1.
        """
        return sum(self._outcomes) / max(len(self._outcomes), 1)

    @property
    def untilProbe(self) -> int:
        """
        The number of dials after which one is made although it seems useless.
        """
        return PROBE - self._asked % PROBE if self.blocked else 0

    @property
    def blocked(self) -> bool:
        """
        Whether such dials lead nowhere.
        """
        return self.known and sum(self._outcomes) < LEAST

    def useless(self) -> bool:
        """
        Decide about one more dial.
        """
        if not self.blocked:
            return False
        self._asked += 1
        return self._asked % PROBE != 0

    def ended(self, success: bool) -> None:
        """
        Count an outcome.  A success of a blocked kind begins a new count.
        """
        if success and self.blocked:
            self._outcomes.clear()
        self._outcomes.append(success)


class BlackHoles:
    """
    The black holes of UDP and of IPv6.
    """

    def __init__(self) -> None:
        self.udp = BlackHole()
        self.ipv6 = BlackHole()

    def _of(self, address: Multiaddr) -> list[BlackHole]:
        names = address.names
        if Scope.of(address) is not Scope.PUBLIC or "p2p-circuit" in names:
            return []
        found = []
        if "udp" in names:
            found.append(self.udp)
        if "ip6" in names:
            found.append(self.ipv6)
        return found

    def useless(self, address: Multiaddr) -> bool:
        """
        Check whether a dial of an address seems to lead nowhere.
        """
        # Each counts the question.
        answers = [each.useless() for each in self._of(address)]
        return any(answers)

    def ended(self, address: Multiaddr, success: bool) -> None:
        """
        Count the outcome of a dial; one that was given up has led nowhere.
        """
        for each in self._of(address):
            each.ended(success)
