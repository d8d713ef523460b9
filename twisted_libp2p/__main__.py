# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p}, or C{python -m twisted_libp2p}: small tools for keys and peers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from io import TextIOWrapper
from types import ModuleType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import CannotListenError, ConnectionClosed
from twisted.internet.task import react
from twisted.python.usage import UsageError

from twisted_libp2p.errors import ConfigurationError, Libp2pError
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import IConnection, Reachability
from twisted_libp2p.node import Node
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.peerstore import (
    Limits,
    PeerStoreService,
    dumpPeers,
    loadPeers,
    openPeerStore,
)
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.perf import Header, measure
from twisted_libp2p.script import idsOf, oneLine
from twisted_libp2p.tools.reaching import reach, reaching
from twisted_libp2p.tools.stdio import joinStandard

# Most tools need neither: topics and a DHT take as long to load as a third of a node.
with loadedOnUse():
    from twisted_libp2p import seek
    from twisted_libp2p.tools import forward, pairing, topics, transfer

__all__ = ["ToolOptions", "interruptible", "main", "script"]


def keygen(options: Any) -> None:
    """
    Make a private key in a new file, and print its peer id.
    """
    identity = Identity.generate(KeyType[options["type"].upper()])
    identity.toFile(options["path"])
    peer = str(identity.peerID)
    options.show([peer], peer=peer, file=options["path"])


def showID(options: Any) -> None:
    """
    Print the peer id of a key in a file, in its three spellings.
    """
    if not os.path.exists(options["path"]):
        raise ConfigurationError(
            f"there is no file {options['path']}: libp2p keygen FILE makes one"
        )
    ids = idsOf(options["path"])
    options.show(ids.values(), **ids)


def completion(options: Any) -> None:
    """
    Print the completion of this program for a shell.
    """
    print(options.script(), end="")


async def _withConnection(
    reactor: Any, options: Any, use: Callable[[Node, IConnection], Awaitable[None]]
) -> None:
    """
    Connect to a peer, and use the connection.
    """
    async with reaching(reactor, options) as node:
        await use(node, await reach(reactor, options, node))


async def ping(reactor: Any, options: Any) -> None:
    """
    Ping a peer, and print the round trip times.
    """

    async def use(node: Node, connection: IConnection) -> None:
        pinger = await node.pinger(connection.remotePeer)
        times = []
        try:
            for _ in range(options["count"]):
                times.append(await pinger.ping() * 1000)
                if not options["json"]:
                    print(f"{times[-1]:.3f} ms", flush=True)
            pinger.transport.loseConnection()
        finally:
            if times:
                least, most, mean = min(times), max(times), sum(times) / len(times)
                options.show(
                    [
                        f"{len(times)} pings, min/avg/max"
                        f" {least:.3f}/{mean:.3f}/{most:.3f} ms"
                    ],
                    peer=str(connection.remotePeer),
                    milliseconds=[round(each, 3) for each in times],
                )

    await _withConnection(reactor, options, use)


async def identify(reactor: Any, options: Any) -> None:
    """
    Print the description that a peer gives of itself.
    """

    async def use(node: Node, connection: IConnection) -> None:
        described = await node.identify(connection.remotePeer)
        seen = described.observedAddress
        facts: dict[str, Any] = {
            "peer": str(connection.remotePeer),
            "agent": described.agent,
            "network": described.protocolVersion,
            "security": connection.security,
            "muxer": connection.muxer,
            "sees us at": None if seen is None else str(seen),
            "listens on": [str(each) for each in described.listenAddresses],
            "speaks": list(described.protocols),
        }
        lines = (
            f"{name:>12}  {printable(str(each))}"
            for name, values in facts.items()
            for each in (values if isinstance(values, list) else [values])
        )
        options.show(lines, **{name.replace(" ", "_"): facts[name] for name in facts})

    await _withConnection(reactor, options, use)


async def reachability(reactor: Any, options: Any) -> None:
    """
    Listen, let some peers try to dial us, and print whether they can, and why not.
    """
    arguments = {**options.nodeArguments(), "listen": options["listen"]}
    node = Node(reactor, **arguments)
    node.startService()
    try:
        await node.whenListening()
        known = node.events.next(
            ReachabilityChanged,
            lambda event: event.reachability is not Reachability.UNKNOWN,
        )
        for address in options["addresses"]:
            try:
                await addTimeout(node.connect(address), options["timeout"], reactor)
            except (Libp2pError, TimeoutError) as error:
                print(f"not asked: {address}: {error}", file=sys.stderr)
        print(
            f"waiting up to {options['wait']:g} s for peers to dial this node",
            file=sys.stderr,
        )
        with suppress(TimeoutError):
            await addTimeout(known, options["wait"], reactor)
        report = node.reachability.report()
        lines = (printable(line) for line in report.lines(reactor.seconds()))
        options.show(lines, **report.facts())
    finally:
        await node.stopService()


async def perf(reactor: Any, options: Any) -> None:
    """
    Send and receive bytes, and print the times; show the progress on stderr.
    """
    upload, download = options["upload"], options["download"]

    def progress(sent: int, received: int) -> None:
        print(
            f"{sent} of {upload} bytes sent, {received} of {download} received",
            file=sys.stderr,
            flush=True,
        )

    async def use(node: Node, connection: IConnection) -> None:
        measured = await measure(
            reactor,
            connection,
            upload,
            download,
            header=Header(options["header"]),
            progress=progress,
        )
        rates = {
            "upload": (measured.uploaded, measured.uploadSeconds),
            "download": (measured.downloaded, measured.downloadSeconds),
        }
        options.show(
            (_rate(name, *rate) for name, rate in rates.items() if rate[0]),
            peer=str(connection.remotePeer),
            **{
                name: {"bytes": size, "seconds": round(seconds, 6)}
                for name, (size, seconds) in rates.items()
            },
        )

    await _withConnection(reactor, options, use)


def _rate(name: str, size: int, seconds: float) -> str:
    rate = size / seconds / 1e6
    return f"{name:>8}  {size} bytes in {seconds:.6f} s, {rate:.1f} MB/s"


async def pipe(reactor: Any, options: Any) -> None:
    """
    Join stdin and stdout with a stream, until both directions have ended.
    """

    async def use(node: Node, connection: IConnection) -> None:
        await joinStandard(reactor, connection, options["protocol"])

    await _withConnection(reactor, options, use)


async def peers(reactor: Any, options: Any) -> None:
    """
    Print the content of a peerstore; with C{--import}, add that of a file first.
    """
    if options["peerstore"] is None:
        raise ConfigurationError("--peerstore sqlite:PATH or postgresql:DSN is needed")
    kind, _, file = options["peerstore"].partition(":")
    if kind == "sqlite" and options["import"] is None and not os.path.exists(file):
        # An empty new one would hide the mistake.
        raise ConfigurationError(f"there is no file {file}")
    # All of it, however large.
    everything = Limits(peers=10**7, memory=2**40)
    store = openPeerStore(reactor, options["peerstore"], everything)
    if not isinstance(store, PeerStoreService):
        raise ConfigurationError(
            f"nothing is kept in {options['peerstore']}: give --peerstore sqlite:PATH"
            " or postgresql:DSN"
        )
    store.startService()
    try:
        await store.whenLoaded()
        path = options["import"]
        if path is not None:
            # Editors of Windows write a mark at the beginning of UTF-8.
            with open(0 if path == "-" else path, encoding="utf-8-sig") as lines:
                await loadPeers(store, lines)
        if options["export"]:
            if isinstance(sys.stdout, TextIOWrapper):
                # The encoding in which it is read again, not the terminal's.
                sys.stdout.reconfigure(encoding="utf-8")
            for line in dumpPeers(store):
                print(line)
        else:
            known = (
                (str(peer), [str(each) for each in store.addresses(peer)])
                for peer in store.peers()
            )
            if options["json"]:
                options.show((), peers=dict(known))
            else:
                # Each is printed at once: there may be a million of them.
                options.show(" ".join([peer, *addresses]) for peer, addresses in known)
    finally:
        await store.stopService()


#: The exit code of shells for programs that Ctrl-C has ended.
_INTERRUPTED = 130

_IMMEDIATE: dict[str, Callable[[Any], None]] = {
    "keygen": keygen,
    "id": showID,
    "completion": completion,
}
_NETWORKED: dict[str, Callable[[Any, Any], Awaitable[None]]] = {
    "ping": ping,
    "identify": identify,
    "reachability": reachability,
    "perf": perf,
    "pipe": pipe,
    "peers": peers,
}
#: The modules of further tools, each of which is a function with the name of the tool.
_ELSEWHERE: dict[str, ModuleType] = {
    "forward": forward,
    "send": transfer,
    "receive": transfer,
    "publish": topics,
    "subscribe": topics,
    "invite": pairing,
    "accept": pairing,
    "status": pairing,
    "find": seek,
    "providers": seek,
    "provide": seek,
    "put": seek,
    "get": seek,
}


def _networked(tool: str) -> Callable[[Any, Any], Awaitable[None]]:
    """
    Return the function of a tool that needs a reactor.
    """
    if tool in _NETWORKED:
        return _NETWORKED[tool]
    work: Callable[[Any, Any], Awaitable[None]] = getattr(_ELSEWHERE[tool], tool)
    return work


def main(arguments: list[str]) -> None:
    """
    Run a tool.

    @raise SystemExit: always: 0 if the tool did its work, 1 with one line on
        stderr if it failed, 130 if it was interrupted, 141 if its stdout is no
        longer read.
    """
    _openStandard()
    if isinstance(sys.stdout, TextIOWrapper):
        # A character that the terminal does not know must not end the tool.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = ToolOptions()
    with oneLine(UsageError, Libp2pError, OSError):
        try:
            options.parseOptions(arguments)
        finally:
            # The help ends the program.
            sys.stdout.flush()
        tool, chosen = str(options.subCommand), options.subOptions
        if tool in _IMMEDIATE:
            _IMMEDIATE[tool](chosen)
            sys.stdout.flush()
            raise SystemExit(0)

    async def run(reactor: Any) -> None:
        try:
            with oneLine(Libp2pError, ConnectionClosed, CannotListenError, OSError):
                await _networked(tool)(reactor, chosen)
                sys.stdout.flush()
        except CancelledError:
            raise SystemExit(_INTERRUPTED) from None

    react(lambda reactor: interruptible(reactor, run(reactor)))


def _openStandard() -> None:
    """
    Open the null device in place of each standard stream that was closed when the
    program was started, as by C{libp2p pipe ... >&-}.

    Otherwise the reactor, a socket or a file would get the descriptor, and the output
    would be written there.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # This opens the lowest free descriptor, which is the closed one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r"))


def interruptible(reactor: Any, work: Coroutine[Any, Any, None]) -> Deferred[None]:
    """
    Do some work; if the reactor is stopped, cancel the work and wait until it has
    closed its connections.
    """
    working = Deferred.fromCoroutine(work)

    def interrupt() -> Deferred[None]:
        working.cancel()
        return working

    reactor.addSystemEventTrigger("before", "shutdown", interrupt)
    return working


def script() -> None:
    """
    Run a tool as the program C{libp2p}.
    """
    main(sys.argv[1:])


if __name__ == "__main__":
    script()
