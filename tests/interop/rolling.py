# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node whose certificates for browsers change when a test says so, while the browser's
clock is the real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from twisted.internet import reactor
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_libp2p.interfaces import IHost, IMuxedTransport, ITransportProvider
from twisted_libp2p.quic import certified
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.quic.webtransport import certificate
from twisted_libp2p.webrtc.transport import RtcTransport

__all__ = ["RollingCertificates"]

#: Seconds for which a certificate is used.  All certificates of a test are valid now:
#: each is valid for L{certificate.SKEW} before it is used.
PERIOD = 900

#: Seconds of the waits that are the test's; others of a node are much shorter, or end
#: with it.
_LONG = 600


class _Reactor:
    """
    The reactor, whose long waits end when a test says so.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def callLater(
        self, delay: float, call: Callable[..., object], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """
        Call a function after some seconds, of one clock or the other.
        """
        timer: Any = self._clock if delay > _LONG else reactor
        later: IDelayedCall = timer.callLater(delay, call, *args, **kw)
        return later

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


@implementer(ITransportProvider)
class RollingCertificates:
    """
    Provides WebTransport or WebRTC-direct with certificates that change early.
    """

    description = "a transport for browsers"

    def __init__(self, kind: str) -> None:
        """
        @param kind: C{webrtc}, or the backend of WebTransport.
        """
        self._kind = kind
        self.name = "webrtc-direct" if kind == "webrtc" else "quic"
        self._clock = Clock()
        self._began = time.time()

    def wall(self) -> float:
        """
        Return the seconds since 1970, as the node knows them.
        """
        return self._began + self._clock.seconds()

    def provide(self, host: IHost) -> IMuxedTransport:
        """
        Make the transport of a node, at the beginning of a period.
        """
        window = certificate.CertificateWindow(host.identity, self.wall)
        self._began += window.remaining() + 1
        ours = _Reactor(self._clock)
        if self._kind == "webrtc":
            return RtcTransport(ours, host.identity, wall=self.wall)
        return QuicTransport(ours, host.identity, backend=self._kind, wall=self.wall)

    def roll(self) -> None:
        """
        Let the time of the next certificate come.
        """
        self._clock.advance(PERIOD)

    @staticmethod
    @contextmanager
    def shortened() -> Iterator[None]:
        """
        Use certificates for L{PERIOD} in this context, and look at the date only when
        their time is over.
        """
        with (
            patch.object(certificate, "PERIOD", PERIOD),
            patch.object(certified, "INTERVAL", PERIOD),
        ):
            yield
