# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a dialer does on its connection.

Each task fills in its facts as it goes, so that a failed one tells how far it
came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from limits import MANY_BYTES, MANY_STREAMS, PING_COUNT
from multiaddr import Multiaddr
from output import reason
from pattern import Differs, exchange, pattern, sendPattern, sendZeros
from serve import BACK, ECHO, PERF, RESET, SINK
from wire import StreamWasReset, Wire

__all__ = ["TASKS", "Dialer", "TaskFailed"]

Facts = dict[str, Any]


class TaskFailed(Exception):
    """
    The remote did something else than it should have.
    """


@dataclass
class Dialer:
    """
    One connection, and what the tasks need of it.

    @ivar size: the number of the task that is being done
    """

    host: Any
    connection: Any
    size: int = 0

    @property
    def remote(self) -> Any:
        """
        The peer at the other end.
        """
        return self.connection.muxed_conn.peer_id

    @asynccontextmanager
    async def stream(self, protocol: str) -> AsyncIterator[Wire]:
        """
        Open a stream for a task that is done with it when it leaves.
        """
        wire = Wire(await self.host.new_stream(self.remote, [protocol]))
        try:
            yield wire
        except BaseException:
            with trio.CancelScope(shield=True):
                await wire.reset()
            raise
        await wire.close()


async def ping(dialer: Dialer, facts: Facts) -> None:
    """
    Ping a few times on one stream.
    """
    facts["ms"] = []
    service = PingService(dialer.host)
    async for elapsed in service.ping_iter(dialer.remote, PING_COUNT):
        facts["ms"].append(elapsed)


async def identify(dialer: Dialer, facts: Facts) -> None:
    """
    Ask the remote who it is: what the package has asked, it keeps only in part.
    """
    async with dialer.stream(IDENTIFY) as wire:
        told = parse_identify_response(await wire.readAll())
    observed = told.observed_addr
    facts.update(
        agentVersion=told.agent_version,
        protocolVersion=told.protocol_version,
        protocols=list(told.protocols),
        listenAddrs=[str(Multiaddr(each)) for each in told.listen_addrs],
        observedAddr=str(Multiaddr(observed)) if observed else None,
    )


async def echo(dialer: Dialer, facts: Facts) -> None:
    """
    Have everything sent back.
    """
    facts["equal"] = False
    async with dialer.stream(ECHO) as wire:
        try:
            await exchange(wire, 0, dialer.size)
            facts["equal"] = True
        finally:
            facts["bytes"] = wire.received


async def halfClose(dialer: Dialer, facts: Facts) -> None:
    """
    Have everything counted.
    """
    facts["bytes"] = dialer.size
    async with dialer.stream(SINK) as wire:
        await sendPattern(wire, 0, dialer.size)
        facts["answer"] = (await wire.readAll()).decode()
    if facts["answer"] != str(dialer.size):
        raise TaskFailed("the remote counted otherwise")


async def reset(dialer: Dialer, facts: Facts) -> None:
    """
    Reset a stream on which bytes went both ways.
    """
    sent = pattern(0, 0, 10)
    async with dialer.stream(ECHO) as wire:
        await wire.write(sent)
        try:
            if await wire.readExactly(len(sent)) != sent:
                raise Differs("what came back differs from what was sent")
        finally:
            facts["bytes"] = wire.received
        await wire.reset()


async def remoteReset(dialer: Dialer, facts: Facts) -> None:
    """
    Have the remote reset a stream.
    """
    facts.update(reset=False, code=None)
    async with dialer.stream(RESET) as wire:
        await wire.write(b"\1")
        try:
            await wire.drain()
        except StreamWasReset:
            facts["reset"] = True
            return
        finally:
            facts["bytes"] = wire.received
    raise TaskFailed("the stream ended cleanly instead of by a reset")


async def back(dialer: Dialer, facts: Facts) -> None:
    """
    Have the remote open a stream.
    """
    async with dialer.stream(BACK) as wire:
        await wire.closeWrite()
        facts["answer"] = (await wire.readAll()).decode()
    if facts["answer"] != "ok":
        raise TaskFailed("the remote could not call back")


async def many(dialer: Dialer, facts: Facts) -> None:
    """
    Hold a hundred streams open at the same time: none sends its second half
    before every one has sent its first.
    """
    facts.update(streams=MANY_STREAMS, equal=0)
    missing = MANY_STREAMS
    everyone = trio.Event()
    failures: list[str] = []

    def arrive() -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            everyone.set()

    async def one(seed: int) -> None:
        arrived = False

        async def half() -> None:
            nonlocal arrived
            arrived = True
            arrive()
            await everyone.wait()

        try:
            async with dialer.stream(ECHO) as wire:
                await exchange(wire, seed, MANY_BYTES, half)
            facts["equal"] += 1
        except Exception as error:
            failures.append(f"stream {seed}: {reason(error)}")
        finally:
            if not arrived:
                arrive()

    async with trio.open_nursery() as nursery:
        for seed in range(MANY_STREAMS):
            nursery.start_soon(one, seed)
    if failures:
        raise TaskFailed(failures[0])


async def perf(dialer: Dialer, facts: Facts) -> None:
    """
    Send as fast as it goes, then receive as much.
    """
    facts["uploadBytes"] = dialer.size
    async with dialer.stream(PERF) as wire:
        begin = trio.current_time()
        await wire.write(dialer.size.to_bytes(8, "big"))
        await sendZeros(wire, dialer.size)
        await wire.closeWrite()
        try:
            await wire.drain()
        finally:
            facts["downloadBytes"] = wire.received
            facts["seconds"] = trio.current_time() - begin
    if wire.received != dialer.size:
        raise TaskFailed(f"{wire.received} of {dialer.size} bytes came")


async def idle(dialer: Dialer, facts: Facts) -> None:
    """
    Leave the connection alone for as many seconds as it is told to.
    """
    facts["seconds"] = dialer.size
    await trio.sleep(dialer.size)


TASKS: dict[str, Callable[[Dialer, Facts], Awaitable[None]]] = {
    "ping": ping,
    "identify": identify,
    "echo": echo,
    "halfclose": halfClose,
    "reset": reset,
    "remote-reset": remoteReset,
    "back": back,
    "many": many,
    "perf": perf,
    "idle": idle,
}
