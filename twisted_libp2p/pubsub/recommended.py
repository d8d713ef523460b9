# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peers that others recommend, when they prune us (peer exchange).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DialOptions, IHost

__all__ = ["DIAL_TIME", "MAX_DIALS", "MAX_RECOMMENDED", "Recommended"]

#: Maximum number of recommended peers that are dialed at the same time, and that wait
#: for it; further ones are ignored.
MAX_DIALS: Final = 8
MAX_RECOMMENDED: Final = 128

#: Seconds to dial one of them.
DIAL_TIME: Final = 30.0


class Recommended:
    """
    Dials the peers that others recommend, if their addresses are signed and usable.
    """

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._waiting: deque[PeerID] = deque()
        self._dialing = 0

    def record(self, peer: bytes) -> bytes:
        """
        Return the signed record of a peer, to pass it on; empty without one.
        """
        return self._host.peerstore.record(PeerID.fromBytes(peer)) or b""

    def dial(self, key: bytes, record: bytes, by: PeerID) -> None:
        """
        Dial a peer, now or later.

        @param key: its peer id in bytes.
        @param record: its signed record; without one, only known addresses are dialed.
        @param by: the peer that recommends it.
        """
        host = self._host
        if len(self._waiting) >= MAX_RECOMMENDED:
            return
        try:
            peer = PeerID.fromBytes(key)
            if peer == host.peerID or host.connections.to(peer):
                return
            if record:
                signed = PeerRecord.open(record)
                if signed.peerID != peer:
                    return
                origin = host.addressFilter.origin(self._place(by))
                usable = host.addressFilter.select(origin, signed.addresses, peer)
                host.peerstore.addRecord(peer, record, usable)
        except InvalidInput:
            return
        if host.peerstore.addresses(peer):
            self._waiting.append(peer)
            self._next()

    def _place(self, peer: PeerID) -> Multiaddr | None:
        for each in self._host.connections.to(peer):
            return each.remoteAddress
        return None

    def _next(self) -> None:
        while self._waiting and self._dialing < MAX_DIALS:
            peer = self._waiting.popleft()
            self._dialing += 1
            options = DialOptions(timeout=DIAL_TIME, routed=False)
            self._host.connect(peer, options).addBoth(self._dialed)

    def _dialed(self, _: object) -> None:
        self._dialing -= 1
        self._next()

    def stop(self) -> None:
        """
        Dial nobody further.
        """
        self._waiting.clear()
