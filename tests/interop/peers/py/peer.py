# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A small libp2p peer on py-libp2p for the interoperability tests.

Its command line, its protocols and its output are described in
C{../README.rst}; every peer of that directory follows the same contract.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import trio
from bench import benchDial, benchListen
from circuit import CIRCUIT, dialThrough, reserved
from kad import kad
from libp2p.abc import INotifee
from libp2p.peer.peerinfo import info_from_p2p_addr
from limits import CLOSE_LIMIT, CONNECT_LIMIT, TASK_LIMIT, TOTAL_LIMIT, within
from mdns import startMDNS
from multiaddr import Multiaddr
from output import leave, log, printLine, reason
from serve import serve
from stack import describe, listenAddresses, makeHost
from tasks import TASKS, Dialer
from topics import topics


@dataclass
class Step:
    """
    A task to do, named as it was asked for, and its own number.
    """

    label: str
    name: str
    number: int

    @classmethod
    def read(cls, label: str, size: int) -> Step:
        """
        @raise ValueError: there is no such task, or the number is none
        """
        name, equals, number = label.partition("=")
        if name not in TASKS or (equals and not number.isdecimal()):
            raise ValueError(f"unknown task {label!r}")
        return cls(label, name, int(number) if equals else size)

    @property
    def limit(self) -> int:
        """
        How long it may take: idling takes as long as it was told to.
        """
        return TASK_LIMIT + (self.number if self.name == "idle" else 0)


def parseCommandLine(argv: list[str]) -> argparse.Namespace:
    """
    Read the role, the address to dial and the options.
    """
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--transport", default="tcp")
    options.add_argument("--tls-certificate")
    options.add_argument("--tls-roots")
    options.add_argument("--security", default="noise")
    options.add_argument("--muxer", default="yamux")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--key", default="ed25519")
    options.add_argument("--late-muxer", dest="late", action="store_true")
    options.add_argument("--psk")
    options.add_argument("--defaults", action="store_true")
    options.add_argument("--mdns", action="store_true")
    parser = argparse.ArgumentParser("peer", allow_abbrev=False)
    roles = parser.add_subparsers(dest="role", required=True)
    listen = roles.add_parser("listen", parents=[options], allow_abbrev=False)
    listen.add_argument("--circuit")
    dial = roles.add_parser("dial", parents=[options], allow_abbrev=False)
    dial.add_argument("target", metavar="MULTIADDR")
    dial.add_argument("--do", default="ping,identify,echo")
    dial.add_argument("--size", type=int, default=1 << 20)
    dial.add_argument("--for", dest="seconds", type=int, default=0)
    choices = parser.parse_args(argv)
    if choices.port < 0:
        parser.error("--port must not be negative")
    if choices.role == "dial":
        if min(choices.size, choices.seconds) < 0:
            parser.error("--size and --for must not be negative")
        try:
            labels = [label for label in choices.do.split(",") if label]
            choices.do = [Step.read(label, choices.size) for label in labels]
        except ValueError as error:
            parser.error(str(error))
    return choices


class Watcher(INotifee):
    """
    Tells when connections come and go.
    """

    async def connected(self, network: Any, conn: Any) -> None:
        """
        A connection is ready.
        """
        peer = str(conn.muxed_conn.peer_id)
        printLine({"event": "connected", "peer": peer, **describe(conn)})

    async def disconnected(self, network: Any, conn: Any) -> None:
        """
        A connection is gone.
        """
        printLine({"event": "disconnected", "peer": str(conn.muxed_conn.peer_id)})

    async def opened_stream(self, network: Any, stream: Any) -> None:
        """
        Nobody wants to know.
        """

    async def closed_stream(self, network: Any, stream: Any) -> None:
        """
        Nobody wants to know.
        """

    async def listen(self, network: Any, multiaddr: Any) -> None:
        """
        Nobody wants to know.
        """

    async def listen_close(self, network: Any, multiaddr: Any) -> None:
        """
        Nobody wants to know.
        """


async def untilDone() -> None:
    """
    Wait until the parent closes stdin, or a signal comes.
    """
    async with trio.open_nursery() as nursery:

        async def untilEnd() -> None:
            await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()

        nursery.start_soon(untilEnd)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                nursery.cancel_scope.cancel()


async def listen(choices: argparse.Namespace) -> None:
    """
    Print where this peer listens, then serve until its parent is done.
    """
    host = makeHost(choices)
    host.get_network().register_notifee(Watcher())
    serve(host, printLine)
    async with host.run(listenAddresses(choices)):
        addresses = [str(address) for address in host.get_addrs()]
        if not addresses:
            raise OSError("it does not listen")
        peer = str(host.get_id())
        if choices.mdns:
            startMDNS(host)
        async with AsyncExitStack() as stack:
            if choices.circuit is not None:
                place = reserved(host, choices.circuit)
                addresses.append(await stack.enter_async_context(place))
            printLine({"peerId": peer, "addrs": addresses, "pid": os.getpid()})
            await untilDone()
        with trio.move_on_after(CLOSE_LIMIT):
            await host.close()
        leave(0)


class Outcome:
    """
    The one line of a dialer.
    """

    def __init__(self, late: bool) -> None:
        self.results: dict[str, Any] = {}
        self.rounds = 0
        self.facts: dict[str, Any] = {
            "remotePeer": None,
            "security": None,
            "muxer": None,
            "early": None,
            "late": late,
        }
        self._error: str | None = None

    @property
    def failed(self) -> bool:
        """
        Whether anything went wrong.
        """
        return self._error is not None

    def fail(self, text: str) -> None:
        """
        Note what went wrong first.
        """
        self._error = self._error or text

    def leave(self) -> None:
        """
        Print the line and end the process.
        """
        told = {
            "results": self.results,
            "rounds": self.rounds,
            "error": self._error,
        }
        printLine({"ok": self._error is None, **self.facts, **told})
        leave(1 if self._error else 0)

    async def leaveInTime(self, limit: float) -> None:
        """
        End the process when the time is over, whatever it is doing.
        """
        await trio.sleep(limit)
        self.fail(f"not done within {limit}s")
        self.leave()


async def dial(choices: argparse.Namespace) -> None:
    """
    Connect, do the tasks and print what they told.
    """
    outcome = Outcome(choices.late)
    limit = TOTAL_LIMIT + choices.seconds
    limit += sum(step.limit - TASK_LIMIT for step in choices.do)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outcome.leaveInTime, limit)
        try:
            target = info_from_p2p_addr(Multiaddr(choices.target))
            host = makeHost(choices)
        except Exception as error:
            outcome.fail(reason(error))
            outcome.leave()
        serve(host, lambda fact: None)
        async with host.run([]):
            try:
                await connectAndDo(choices, host, target, outcome)
            except Exception as error:
                outcome.fail(reason(error))
            outcome.leave()


async def connectAndDo(
    choices: argparse.Namespace, host: Any, target: Any, outcome: Outcome
) -> None:
    """
    Make the one connection, and do the tasks on it.
    """
    with within(CONNECT_LIMIT):
        if CIRCUIT in choices.target:
            connection = await dialThrough(host, choices.target)
        else:
            await host.connect(target)
            (connection,) = host.get_network().get_connections(target.peer_id)
    outcome.facts.update(remotePeer=str(target.peer_id), **describe(connection))
    dialer = Dialer(host, connection)
    end = trio.current_time() + choices.seconds
    while not outcome.rounds or (not outcome.failed and trio.current_time() < end):
        for step in choices.do:
            facts = outcome.results[step.label] = {}
            dialer.size = step.number
            try:
                with within(step.limit):
                    await TASKS[step.name](dialer, facts)
            except Exception as error:
                facts["error"] = reason(error)
                outcome.fail(f"{step.label}: {facts['error']}")
        outcome.rounds += 1
    with trio.move_on_after(CLOSE_LIMIT):
        await connection.close()


def main(argv: list[str]) -> None:
    """
    Be the peer that the command line asks for.
    """
    roles = {"listen": listen, "dial": dial}
    if argv[:1] == ["bench"]:
        argv, roles = argv[1:], {"listen": benchListen, "dial": benchDial}
    try:
        for name, server in (("kad", kad), ("pubsub", topics)):
            if argv[:1] == [name]:
                trio.run(server, *argv[1:])
                leave(0)
        choices = parseCommandLine(argv)
        trio.run(roles[choices.role], choices)
    except Exception as error:
        log(reason(error))
        leave(1)


if __name__ == "__main__":
    main(sys.argv[1:])
