# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is logged of a database that does not work.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.logger import Logger

__all__ = ["Outages"]


class Outages:
    """
    Logs each new reason why a database does not work, and that it works again, in one
    line each.
    """

    _log = Logger()

    def __init__(self, label: str, clock: IReactorTime) -> None:
        """
        Begin with a database that works.

        @param label: the name of the database.
        @param clock: the source of the time.
        """
        self._label = label
        self._clock = clock
        self._reason = ""
        self._since = 0.0

    def began(self, failure: Failure) -> None:
        """
        Record that something has failed; memory goes on.
        """
        reason = self.reason(failure)
        if not self._reason:
            self._since = self._clock.seconds()
        if reason != self._reason:
            self._reason = reason
            self._log.error("{reason}", reason=reason)

    def ended(self) -> None:
        """
        Record that the database works.
        """
        if self._reason:
            self._reason = ""
            self._log.info(
                "peerstore {label}: works again, after {seconds:.0f} s",
                label=self._label,
                seconds=self._clock.seconds() - self._since,
            )

    def reason(self, failure: Failure) -> str:
        """
        Return why something has failed, in one line.
        """
        text = " ".join(failure.getErrorMessage().split())
        return f"peerstore {self._label}: {text}"
