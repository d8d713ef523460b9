# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Sessions of WebRTC that are joined in memory, without sockets.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from twisted_libp2p.testing.quic.network import QuicSessionPair
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.webrtc.endpoint import RtcBackend
from twisted_libp2p.webrtc.serving import RtcServing
from twisted_libp2p.webrtc.streams import RtcStreams

__all__ = ["RtcSessionPair"]

#: The most times that a flush waits for SCTP to send again, and the seconds of each:
#: after a pause it may take 2 s.
_WAITS = 8
_WAIT = 0.1

#: The most seconds that pass at once.
_STEP = 2.0


class RtcSessionPair(QuicSessionPair):
    """
    Two sessions over two hubs in memory.

    @ivar serving: that of the listener.
    """

    # Acknowledgements of SCTP are delayed for 200 ms.
    quiet = 0.1

    def __init__(self, clock: Clock, begin: bool = True, **options: Any) -> None:
        """
        @param begin: whether to connect.
        """
        super().__init__(clock, RtcBackend(), start=False, **options)
        near, far = (
            RtcServing(clock, each.handshake.identity, lambda: MOMENT)
            for each in self.upgrades
        )
        self.near.layer = self.far.layer = "/webrtc-direct"
        self.serving = far
        self.dialing = near
        present = far.window.present()
        self.hashes = frozenset((present.hash,))
        self.far.serveWeb(present.data, present.key)
        self.far.acceptWeb = self._accept
        self.far.beginWeb = far._begin
        self.upgrades[0].ready = lambda each: each.start(self.client)
        self.upgrades[1].ready = lambda each: each.start(self.server)
        if begin:
            self.dial()
            self.far.stopAcceptingWeb()

    def dial(self) -> None:
        """
        Dial, and carry the datagrams.
        """
        how = self.dialing.dial(self.hashes)
        self.near.dial("192.0.2.2", 4002, self.upgrades[0], web=how)
        self.flush()

    def advance(self, seconds: float) -> None:
        """
        Let time pass, in steps, and no more than that.
        """
        until = self.clock.seconds() + seconds
        super().flush()
        while (left := until - self.clock.seconds()) > 0:
            self.clock.advance(min(left, _STEP))
            super().flush()

    def flush(self) -> None:
        """
        Carry datagrams until all is quiet, and wait for SCTP if it has something to
        send.
        """
        super().flush()
        for _ in range(_WAITS):
            if not self._unsent():
                return
            self.clock.advance(_WAIT)
            super().flush()

    def _unsent(self) -> bool:
        """
        Check whether bytes wait in a channel of either side.
        """
        return any(
            line.endpoint._below.machine.buffered(id)
            for hub in (self.near, self.far)
            for line in hub.lines.values()
            if isinstance(line.endpoint, RtcStreams)
            for id in line.endpoint._byID
        )
