# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The number of connections that a node keeps, and its care for them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from twisted_libp2p.connmanager.expendability import ByValue
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IExpendability
from twisted_libp2p.logger import Logger

__all__ = ["Backoff", "ConnectionPolicy"]

_log = Logger()

#: Protocols that every connection speaks, used or not: identify and ping.
BACKGROUND = ("/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0")


#: The water marks unless others are given; as go-libp2p.
LOW_WATER = 160
HIGH_WATER = 192


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """
    The waits before a peer is dialed again.  The first dial of a newly wanted peer
    does not wait.

    @ivar first: seconds after the first failed attempt, or after the loss of the
        connection.
    @ivar factor: the ratio of a wait to the one before.
    @ivar most: the longest wait, in seconds.
    @ivar steady: seconds after which the end of a connection makes the waits start
        from C{first} again.
    """

    first: float = 5.0
    factor: float = 2.0
    most: float = 600.0
    steady: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.most or self.factor < 1:
            raise ConfigurationError(
                f"{self}: first must be positive and no more than most,"
                " and factor at least 1"
            )

    def delay(self, attempt: int, random: float) -> float:
        """
        Return the wait before an attempt, a random part of it between the half and
        the whole: so that peers that were lost at once do not all come back at once.

        @param attempt: number of attempts before.
        @param random: from 0 to 1.
        """
        try:
            delay = self.first * self.factor**attempt
        except OverflowError:
            delay = self.most
        return min(delay, self.most) * (1 - random / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPolicy:
    """
    The number of connections that a node keeps, and its care for them.

    @ivar lowWater: number of connections at which trimming ends.
    @ivar highWater: number of connections above which trimming begins.  The hard cap
        is not here: it is C{Limits.system.connections}.
    @ivar grace: seconds during which a new connection is not trimmed.
    @ivar interval: seconds between the high mark and the trimming, and between
        two trimmings.
    @ivar expendability: the order of trimming.
    @ivar keepAlive: seconds between two pings, over muxers that do not notice a
        dead peer themselves (yamux does).  None never pings.
    @ivar idleTimeout: seconds without a stream after which a connection is closed;
        None, the default, closes none for that.  Connections are looked at four times
        in that time.
    @ivar background: protocols whose streams do not keep a connection from
        being idle, while they are open or afterwards.
    @ivar redial: the waits before protected peers are dialed again.
    """

    lowWater: int = LOW_WATER
    highWater: int = HIGH_WATER
    grace: float = 60.0
    interval: float = 10.0
    expendability: IExpendability = field(default_factory=ByValue)
    keepAlive: float | None = 30.0
    idleTimeout: float | None = None
    background: Collection[str] = BACKGROUND
    redial: Backoff = field(default_factory=Backoff)

    @classmethod
    def scaled(cls, connections: int, **options: Any) -> ConnectionPolicy:
        """
        Make a policy.  The water marks that C{options} does not name are not above
        the hard cap.

        @param connections: the hard cap.
        @param options: the other fields of the policy.
        """
        high = options.setdefault("highWater", min(HIGH_WATER, connections))
        options.setdefault("lowWater", min(LOW_WATER, high * 5 // 6))
        return cls(**options)

    @classmethod
    def fitting(
        cls, policy: ConnectionPolicy | None, cap: int, byMachine: bool
    ) -> ConnectionPolicy:
        """
        Return a policy with water marks that are not above the hard cap.

        @param policy: the chosen policy; None for the default.
        @param cap: the hard cap.
        @param byMachine: whether the size of the machine has set the cap.  Then the
            marks give way, as no user has chosen both.
        @raise ConfigurationError: the cap was chosen, and the marks are above it.
        """
        if policy is None:
            return cls.scaled(cap)
        if policy.highWater <= cap:
            return policy
        if not byMachine:
            raise ConfigurationError(
                f"the high water mark is {policy.highWater}, but the hard cap is"
                f" {cap}: lower ConnectionPolicy.highWater, or raise"
                " Limits.system.connections"
            )
        low = min(policy.lowWater, cap * 5 // 6)
        _log.warn(
            "this machine has descriptors and memory for {cap} connections: the water"
            " marks are lowered from {lowWater} and {highWater} to {low}"
            " and {cap}",
            lowWater=policy.lowWater,
            highWater=policy.highWater,
            low=low,
            cap=cap,
        )
        return replace(policy, lowWater=low, highWater=cap)

    def __post_init__(self) -> None:
        if not 0 <= self.lowWater <= self.highWater:
            raise ConfigurationError(
                f"the low water mark {self.lowWater} must not be above the high one,"
                f" {self.highWater}"
            )
        for name in ("interval", "keepAlive", "idleTimeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} is {value}: it must be positive")
