# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Foreign peers as child processes: JSON lines on their standard output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.processes import codeOf

__all__ = ["ForeignPeer", "PeerEnded"]

Line = dict[str, Any]


class PeerEnded(Exception):
    """
    A peer has ended, and will not say what is waited for.
    """


class ForeignPeer(ProcessProtocol):
    """
    A process that follows the contract of the test peers.

    @ivar status: its exit status, or its signal as a negative number; None as long as
        it runs.
    @ivar ended: fires with C{status}.
    @ivar errors: what it wrote to its standard error.
    """

    transport: Any

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[Line] = []
        self._waiting: list[tuple[Callable[[Line], bool], Deferred[Line]]] = []
        self._listener: Callable[[Line], object] | None = None
        self.errors = b""
        self.status: int | None = None
        self.ended: Deferred[int] = Deferred()

    @classmethod
    def start(
        cls, reactor: Any, command: Sequence[str], *arguments: str
    ) -> ForeignPeer:
        """
        Start a peer; it ends when its standard input does.
        """
        peer = cls()
        argv = [*command, *arguments]
        reactor.spawnProcess(peer, argv[0], argv, env=None)
        return peer

    def line(
        self, wanted: Callable[[Line], bool] = lambda line: True
    ) -> Deferred[Line]:
        """
        Wait for a line, which may have come already; each is given once.
        """
        for line in self._lines:
            if wanted(line):
                self._lines.remove(line)
                return succeed(line)
        if self.status is not None:
            return fail(PeerEnded(f"status {self.status}: {self.errors.decode()}"))
        waiting: Deferred[Line] = Deferred()
        self._waiting.append((wanted, waiting))
        return waiting

    def each(self, heard: Callable[[Line], object]) -> None:
        """
        Call a function for each line that nobody waits for, the past ones first.
        """
        self._listener = heard
        lines, self._lines = self._lines, []
        for line in lines:
            heard(line)

    def event(self, name: str, **facts: Any) -> Deferred[Line]:
        """
        Wait for an event with these facts.
        """
        return self.line(
            lambda line: (
                line.get("event") == name
                and all(line.get(key) == value for key, value in facts.items())
            )
        )

    def stop(self) -> Deferred[int]:
        """
        End the peer.
        """
        if self.status is None:
            self.transport.closeStdin()
        return self.ended

    def outReceived(self, data: bytes) -> None:
        """
        Take in what it says.
        """
        self._buffer += data
        while b"\n" in self._buffer:
            text, self._buffer = self._buffer.split(b"\n", 1)
            self._take(json.loads(text))

    def _take(self, line: Line) -> None:
        for each in self._waiting:
            wanted, waiting = each
            if wanted(line):
                self._waiting.remove(each)
                waiting.callback(line)
                return
        if self._listener is not None:
            self._listener(line)
        else:
            self._lines.append(line)

    def errReceived(self, data: bytes) -> None:
        """
        Keep what it complains of.
        """
        self.errors += data

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended: whoever waits waits in vain.
        """
        self.status = codeOf(reason)
        waiting, self._waiting = self._waiting, []
        for _, each in waiting:
            each.errback(PeerEnded(f"status {self.status}: {self.errors.decode()}"))
        self.ended.callback(self.status)
