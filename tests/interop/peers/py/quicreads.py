# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reads of streams over QUIC that miss no bytes.

py-libp2p 0.8.1 looks at the buffer of a stream, and in another turn at its state.  If
the last bytes and the end arrive between the two, it reports the end, and the bytes
stay in the buffer: a negotiation fails, and an answer is cut.
"""

from __future__ import annotations

from typing import Any

from libp2p.stream_muxer.exceptions import MuxedStreamEOF
from libp2p.transport.quic.exceptions import QUICStreamClosedError
from libp2p.transport.quic.stream import QUICStream

__all__ = ["repairReads"]


def repairReads() -> None:
    """
    Let each read look at the buffer once more before it reports the end.
    """
    read = QUICStream.read

    async def readBuffer(self: Any, n: int | None = None) -> bytes:
        try:
            data: bytes = await read(self, n)
        except (MuxedStreamEOF, QUICStreamClosedError):
            if not self._receive_buffer:
                raise
            data = await read(self, n)
        return data

    QUICStream.read = readBuffer
