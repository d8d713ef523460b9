# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A listener that accepts transports, and says nothing.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol

__all__ = ["SilentFactory"]


class SilentFactory(Factory):
    """
    Accepts and says nothing.
    """

    noisy = False

    def __init__(self) -> None:
        self.accepted = 0

    def buildProtocol(self, addr: object) -> Any:
        self.accepted += 1
        return Protocol()
