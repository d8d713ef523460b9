# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The receipt of a published message.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

__all__ = ["Receipt"]


class Receipt:
    """
    What has become of a message that was published.

    C{await receipt} waits until it has left.

    @ivar id: the id of the message.
    @ivar peers: the number of peers for which it was queued.
    """

    __slots__ = ("_open", "_sent", "_waiting", "id", "peers")

    def __init__(self, id: bytes) -> None:
        self.id = id
        self.peers = 0
        self._open = 0
        self._sent = 0
        self._waiting: list[Deferred[int]] = []

    def queued(self) -> None:
        """
        Count a peer for which it was queued.
        """
        self.peers += 1
        self._open += 1

    def left(self, written: bool) -> None:
        """
        Count a peer whose queue it has left.

        @param written: whether it was written to the stream; false if it was dropped.
        """
        self._open -= 1
        self._sent += written
        if not self._open:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(self._sent)

    @property
    def sent(self) -> Deferred[int]:
        """
        Wait until it has left all queues.

        @return: fires with the number of peers to whose streams it was written.
        """
        waiting: Deferred[int] = Deferred(self._waiting.remove)
        if self._open:
            self._waiting.append(waiting)
        else:
            waiting.callback(self._sent)
        return waiting

    def __repr__(self) -> str:
        return f"<Receipt {self.id.hex()[:16]}: {self.peers} peers>"
