# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A supervisor as a program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from twisted_libp2p.transport.localservice import LocalService
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["SupervisorService"]


class SupervisorService(Supervisor):
    """
    A supervisor that ends the program if it cannot listen: its status page and its
    metrics included.
    """

    def __init__(
        self, *arguments: Any, failed: Callable[[object], Exception], **keywords: Any
    ) -> None:
        """
        @param arguments: as for L{Supervisor}.
        @param failed: returns the exception that ends the program, for an error.
        """
        super().__init__(*arguments, **keywords)
        self._failed = failed

    def privilegedStartService(self) -> None:
        """
        Bind the sockets, and listen for the pages.
        """
        try:
            super().privilegedStartService()
        except Exception as error:
            raise self._failed(error) from None

    def startService(self) -> None:
        """
        Start the workers.
        """
        super().startService()
        failures: list[Failure] = []
        for each in self.services:
            if isinstance(each, LocalService) and each.needed:
                each.whenListening().addErrback(failures.append)
        if failures:
            self.stopService()
            raise self._failed(failures[0].value)
