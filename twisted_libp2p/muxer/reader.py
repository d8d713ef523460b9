# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The reader of the frames of a muxer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

__all__ = ["Reader"]

#: The receiver of the frames.
H = TypeVar("H")


class Reader(Generic[H]):
    """
    Cuts received bytes into headers and parts of bodies.

    A body is handed on as it comes and never stored; an incomplete header is stored.
    """

    __slots__ = ("_handler", "_left", "_partial", "_stopped")

    def __init__(self, handler: H) -> None:
        """
        @param handler: the receiver of the frames.
        """
        self._handler = handler
        # The bytes of an incomplete header, and the bytes that are missing of a body.
        self._partial = b""
        self._left = 0
        self._stopped = False

    def stop(self) -> None:
        """
        Stop calling the handler.
        """
        self._stopped = True

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """
        Cut received bytes.

        @raise ProtocolViolation: the bytes are not frames, or the handler refused one.
        """
