# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way between two nodes of a network in memory, which can be cut and repaired.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

__all__ = ["Link"]


class Link:
    """
    The way between two nodes.  While it is cut, nothing arrives: neither bytes, nor the
    end of a connection, nor a new connection.  Nothing is lost: all of it arrives after
    the repair, as TCP sends again whatever was not confirmed.

    @ivar isCut: whether nothing arrives.
    """

    __slots__ = ("_waiting", "isCut")

    def __init__(self) -> None:
        self.isCut = False
        self._waiting: list[Deferred[None]] | None = None

    def cut(self) -> None:
        """
        Let nothing arrive.
        """
        self.isCut = True

    def repair(self) -> None:
        """
        Let everything arrive, and what was waiting first.
        """
        self.isCut = False
        waiting, self._waiting = self._waiting, None
        # One that is called may cancel another.
        while waiting:
            waiting.pop(0).callback(None)

    def whenOpen(self) -> Deferred[None]:
        """
        Wait until the link is not cut.  It can be cancelled.
        """
        if not self.isCut:
            return succeed(None)
        if self._waiting is None:
            self._waiting = []
        waiting = self._waiting
        # The list of the time when it began to wait.
        opened: Deferred[None] = Deferred(waiting.remove)
        waiting.append(opened)
        return opened
