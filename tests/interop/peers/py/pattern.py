# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A text whose bytes tell their place and their stream, sent and compared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from wire import Wire

__all__ = ["BLOCK_SIZE", "Differs", "exchange", "pattern", "sendPattern", "sendZeros"]

BLOCK_SIZE = 64 * 1024
PERIOD = 251
TEXT = bytes(range(PERIOD)) * (BLOCK_SIZE // PERIOD + 2)


class Differs(Exception):
    """
    What came back is not what was sent.
    """


def pattern(seed: int, offset: int, size: int) -> bytes:
    """
    Give a piece of the text, of at most L{BLOCK_SIZE} bytes.
    """
    start = (seed + offset) % PERIOD
    return TEXT[start : start + size]


async def sendPattern(
    wire: Wire,
    seed: int,
    size: int,
    half: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """
    Send a pattern and half-close.

    @param half: awaited between the halves of what is sent
    """
    middle = size // 2
    offset = 0
    while offset < size:
        if half is not None and offset == middle:
            await half()
        length = min(BLOCK_SIZE, size - offset)
        if offset < middle:
            length = min(length, middle - offset)
        await wire.write(pattern(seed, offset, length))
        offset += length
    await wire.closeWrite()


async def sendZeros(wire: Wire, size: int) -> None:
    """
    Send so many bytes that mean nothing.
    """
    block = bytes(BLOCK_SIZE)
    while size > 0:
        await wire.write(block[:size])
        size -= min(size, BLOCK_SIZE)


async def exchange(
    wire: Wire,
    seed: int,
    size: int,
    half: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """
    Send a pattern while reading, half-close, and compare what comes back until
    the remote half-closes too.

    @raise Differs: it is not what was sent
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sendPattern, wire, seed, size, half)
        offset = 0
        async for chunk in wire:
            if wire.received > size or chunk != pattern(seed, offset, len(chunk)):
                raise Differs("what came back differs from what was sent")
            offset += len(chunk)
    if wire.received != size:
        raise Differs(f"{wire.received} of {size} bytes came back")
