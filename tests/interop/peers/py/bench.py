# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The roles of a benchmark: a listener that says nothing, and a dialer that does
what it is told as often as it is told.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.host.ping import ID as PING
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from multiaddr import Multiaddr
from output import leave, printLine, reason
from pattern import BLOCK_SIZE
from serve import ECHO, PERF
from stack import listenAddresses, makeHost
from wire import Wire

__all__ = ["benchDial", "benchListen"]

PING_SIZE = 32

Facts = dict[str, Any]


async def sendBlocks(wire: Wire, size: int, most: int) -> None:
    """
    Send so many bytes that mean nothing, and half-close.
    """
    block = bytes(most)
    while size > 0:
        await wire.write(block[:size] if size < most else block)
        size -= most
    await wire.closeWrite()


async def serveEcho(stream: Any) -> None:
    """
    Send every byte back as it comes.
    """
    wire = Wire(stream)
    async for chunk in wire:
        await wire.write(chunk)
    await wire.close()


async def servePerf(stream: Any) -> None:
    """
    Read how many bytes are wanted and on to the end, then send so many.
    """
    wire = Wire(stream)
    wanted = int.from_bytes(await wire.readExactly(8), "big")
    await wire.drain()
    await sendBlocks(wire, wanted, BLOCK_SIZE)
    await wire.close()


async def untilDone() -> None:
    """
    Wait until the parent closes stdin.
    """
    await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)


async def benchListen(choices: argparse.Namespace) -> None:
    """
    Print where this peer listens, then serve until its parent is done.
    """
    logging.disable()
    host = makeHost(choices)
    host.set_stream_handler(ECHO, serveEcho)
    host.set_stream_handler(PERF, servePerf)
    async with host.run(listenAddresses(choices)):
        addresses = [str(address) for address in host.get_addrs()]
        peer = str(host.get_id())
        printLine({"peerId": peer, "addrs": addresses, "pid": os.getpid()})
        await untilDone()
        leave(0)


async def inLanes(lanes: int, run: Callable[[int], Awaitable[None]]) -> Facts:
    """
    Run a function in as many lanes as are wanted, and take the time of all.
    """
    begin = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for lane in range(lanes):
            nursery.start_soon(run, lane)
    return {"seconds": time.perf_counter() - begin}


async def echoed(wire: Wire, sent: bytes) -> None:
    """
    Send a few bytes, and read them back.
    """
    await wire.write(sent)
    await wire.readExactly(len(sent))


class Bencher:
    """
    Does the works of a benchmark.
    """

    def __init__(self, choices: argparse.Namespace, nursery: trio.Nursery) -> None:
        """
        @param nursery: where hosts run, and connections are closed
        """
        self._choices = choices
        self._nursery = nursery
        self._target = info_from_p2p_addr(Multiaddr(choices.target))
        # What all works but handshakes use; it is connected.
        self._connected: Any = None
        # What handshakes use, one for each lane.
        self._lanes: list[Any] = []

    async def _start(self) -> Any:
        host = makeHost(self._choices)
        await self._nursery.start(self._run, host)
        return host

    async def _run(self, host: Any, task_status: Any) -> None:
        async with host.run([]):
            task_status.started()
            await trio.sleep_forever()

    async def _host(self) -> Any:
        if self._connected is None:
            host = await self._start()
            await host.connect(self._target)
            self._connected = host
        return self._connected

    async def _open(self, host: Any, protocol: str) -> Wire:
        return Wire(await host.new_stream(self._target.peer_id, [protocol]))

    async def _perf(self, order: Facts, send: int, want: int) -> Facts:
        host = await self._host()

        async def one(_: int) -> None:
            wire = await self._open(host, PERF)
            await wire.write(want.to_bytes(8, "big"))
            await sendBlocks(wire, send, order["block"])
            if (got := await wire.drain()) != want:
                raise EOFError(f"{got} of {want} bytes came")
            await wire.close()

        return await inLanes(order["lanes"], one)

    async def upload(self, order: Facts) -> Facts:
        """
        Send so many bytes.
        """
        return await self._perf(order, order["amount"] // order["lanes"], 0)

    async def download(self, order: Facts) -> Facts:
        """
        Receive so many bytes.
        """
        return await self._perf(order, 0, order["amount"] // order["lanes"])

    async def streams(self, order: Facts) -> Facts:
        """
        Open so many streams.
        """
        host = await self._host()
        left = iter(range(order["amount"]))

        async def one(_: int) -> None:
            for _ in left:
                wire = await self._open(host, ECHO)
                await echoed(wire, b"12345")
                await wire.close()

        return await inLanes(order["lanes"], one)

    async def handshakes(self, order: Facts) -> Facts:
        """
        Make so many connections, by the dial inside the swarm: that of the host
        waits for 250 ms each time.
        """
        while len(self._lanes) < order["lanes"]:
            self._lanes.append(await self._start())
        left = iter(range(order["amount"]))
        times: list[float] = []

        async def one(lane: int) -> None:
            for _ in left:
                begin = time.perf_counter()
                connection = await self._handshake(self._lanes[lane])
                times.append((time.perf_counter() - begin) * 1e6)
                # It sleeps twice while it closes.
                self._nursery.start_soon(connection.close)

        return {**await inLanes(order["lanes"], one), "times": times}

    async def _handshake(self, host: Any) -> Any:
        (address,) = self._target.addrs
        connection = await host.get_network().dial_addr(address, self._target.peer_id)
        stream = await connection.new_stream()
        wire = Wire(stream)
        await MultiselectClient().select_one_of([ECHO], MultiselectCommunicator(stream))
        await echoed(wire, b"1")
        return connection

    async def ping(self, order: Facts) -> Facts:
        """
        Ping so often, on one stream.
        """
        wire = await self._open(await self._host(), PING)
        times: list[float] = []

        async def one(_: int) -> None:
            for _ in range(order["amount"]):
                begin = time.perf_counter()
                await echoed(wire, bytes(PING_SIZE))
                times.append((time.perf_counter() - begin) * 1e6)

        told = await inLanes(1, one)
        await wire.close()
        return {**told, "times": times}


async def benchDial(choices: argparse.Namespace) -> None:
    """
    Do the orders of the standard input, and answer each by a line.
    """
    logging.disable()
    async with trio.open_nursery() as nursery:
        bencher = Bencher(choices, nursery)
        works = {
            "upload": bencher.upload,
            "download": bencher.download,
            "streams": bencher.streams,
            "handshakes": bencher.handshakes,
            "ping": bencher.ping,
        }
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            order = {"lanes": 1, "block": BLOCK_SIZE, **json.loads(line)}
            try:
                printLine(await works[order["do"]](order))
            except Exception as error:
                printLine({"error": reason(error)})
        leave(0)
