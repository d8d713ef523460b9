# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What this peer serves besides the protocols of the package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from limits import BACK_BYTES, TASK_LIMIT, within
from output import log, reason
from pattern import exchange, sendZeros
from wire import ConnectionLost, StreamWasReset, Wire

__all__ = ["BACK", "ECHO", "PERF", "RESET", "SINK", "serve"]

ECHO = "/echo/1.0.0"
PERF = "/perf/1.0.0"
RESET = "/test/reset/1.0.0"
SINK = "/test/sink/1.0.0"
BACK = "/test/back/1.0.0"

Handler = Callable[[Wire, Any, Callable[[], None]], Awaitable[None]]


async def serveEcho(
    wire: Wire, connection: Any, halfClosed: Callable[[], None]
) -> None:
    """
    Send every byte back as it comes.
    """
    async for chunk in wire:
        await wire.write(chunk)
    halfClosed()


async def servePerf(
    wire: Wire, connection: Any, halfClosed: Callable[[], None]
) -> None:
    """
    Read how many bytes are wanted and on to the end, then send so many.
    """
    wanted = int.from_bytes(await wire.readExactly(8), "big")
    await wire.drain()
    halfClosed()
    await sendZeros(wire, wanted)


async def serveReset(
    wire: Wire, connection: Any, halfClosed: Callable[[], None]
) -> None:
    """
    Reset the stream after one byte.
    """
    await wire.readExactly(1)
    await wire.reset()


async def serveSink(
    wire: Wire, connection: Any, halfClosed: Callable[[], None]
) -> None:
    """
    Count what comes.
    """
    count = await wire.drain()
    halfClosed()
    await wire.write(str(count).encode())


async def serveBack(
    wire: Wire, connection: Any, halfClosed: Callable[[], None]
) -> None:
    """
    Open an echo stream back, and say how that went.
    """
    answer = b"ok"
    try:
        with within(TASK_LIMIT):
            await callBack(connection)
    except Exception as error:
        log("calling back:", reason(error))
        answer = b"bad"
    await wire.write(answer)
    await wire.closeWrite()
    with within(TASK_LIMIT):
        await wire.drain()
    halfClosed()


async def callBack(connection: Any) -> None:
    """
    Open an echo stream on exactly this connection, and compare what comes back.
    """
    stream = await connection.new_stream()
    back = Wire(stream)
    try:
        await MultiselectClient().select_one_of([ECHO], MultiselectCommunicator(stream))
        await exchange(back, 0, BACK_BYTES)
    except BaseException:
        with trio.CancelScope(shield=True):
            await back.reset()
        raise
    await back.close()


HANDLERS: dict[str, Handler] = {
    ECHO: serveEcho,
    PERF: servePerf,
    RESET: serveReset,
    SINK: serveSink,
    BACK: serveBack,
}


def serve(host: Any, report: Callable[[dict[str, Any]], None]) -> None:
    """
    Register what is served.

    @param report: is told of each stream and of the way it ends
    """
    for protocol, handler in HANDLERS.items():
        host.set_stream_handler(protocol, served(protocol, handler, report))


def served(
    protocol: str, handler: Handler, report: Callable[[dict[str, Any]], None]
) -> Callable[[Any], Awaitable[None]]:
    """
    Make a handler into one that the package calls.
    """

    async def handle(stream: Any) -> None:
        report({"event": "stream", "protocol": protocol})
        wire = Wire(stream)

        def halfClosed() -> None:
            report(
                {"event": "halfclosed", "protocol": protocol, "bytes": wire.received}
            )

        try:
            await handler(wire, stream.swarm_conn, halfClosed)
        except ConnectionLost:
            return
        except StreamWasReset:
            report({"event": "reset", "protocol": protocol})
        except Exception as error:
            log(f"{protocol}: {reason(error)}")
            await wire.reset()
        else:
            if handler is not serveReset:
                await wire.close()

    return handle
