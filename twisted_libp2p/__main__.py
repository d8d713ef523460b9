# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p}, or C{python -m twisted_libp2p}: small tools for keys and peers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectionClosed, ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from twisted_libp2p import seek
from twisted_libp2p.errors import ConfigurationError, Libp2pError, UpgradeTimeout
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import IConnection, Reachability
from twisted_libp2p.node import Node
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.options.listening import freeAddresses
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.peerstore import (
    Limits,
    PeerStoreService,
    dumpPeers,
    loadPeers,
    openPeerStore,
)
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.forward import Pipe
from twisted_libp2p.protocols.perf import Header, measure
from twisted_libp2p.protocols.streamfactory import StreamFactory
from twisted_libp2p.quic.backends import installed
from twisted_libp2p.transport.endpoint import PREFIX as ENDPOINT

__all__ = ["ToolOptions", "interruptible", "main", "script"]


def keygen(options: Any) -> None:
    """
    Make a private key in a new file, and print its peer id.
    """
    identity = Identity.generate(KeyType[options["type"].upper()])
    identity.toFile(options["path"])
    print(identity.peerID)


def showID(options: Any) -> None:
    """
    Print the peer id of a key in a file, in its three spellings.
    """
    if not os.path.exists(options["path"]):
        raise ConfigurationError(
            f"there is no file {options['path']}: libp2p keygen FILE makes one"
        )
    peer = Identity.fromFile(options["path"]).peerID
    print(peer)
    print(peer.toCID("base32"))
    print(peer.toCID("base36"))


#: Seconds that a relayed connection has to get a direct one beside it.
DIRECT_TIME = 5.0


async def _withConnection(
    reactor: Any, options: Any, use: Callable[[Node, IConnection], Awaitable[None]]
) -> None:
    """
    Connect to a peer, and use the connection.
    """
    address = options["address"]
    arguments = options.nodeArguments()
    network = arguments["network"]
    routings = options.routings(network)
    # An id, without an address.
    bare = not address.startswith(("/", ENDPOINT))
    if bare and not routings:
        raise ConfigurationError(
            f"{address} is no address: give one, such as /ip4/192.0.2.1/tcp/4001; or"
            " say where to look for the peer, by --bootstrap, --mdns or --routing-url"
        )
    # Such a peer may be found at a relay.
    holes = bare or "/p2p-circuit" in address
    listen = freeAddresses(network is None and installed()) if holes else []
    node = Node(reactor, **{**arguments, "listen": listen}, services=routings)
    node.startService()
    try:
        connecting = Deferred.fromCoroutine(_connect(node, options))
        addTimeout(connecting, options["timeout"], reactor)
        try:
            connection = await connecting
        except TimeoutError:
            raise UpgradeTimeout(
                f"the connection to {address}", options["timeout"]
            ) from None
        if connection.limited:
            connection = await _direct(node, connection)
        await use(node, connection)
    finally:
        await node.stopService()


async def _connect(node: Node, options: Any) -> IConnection:
    """
    Connect to the peers that help to find the target, and to the target.
    """
    # The peers have to see the port from which a hole is punched.
    await node.whenListening()
    if options["bootstrap"]:
        await seek.bootstrap(node, options["bootstrap"])
    return await node.connect(options["address"])


async def _direct(node: Node, connection: IConnection) -> IConnection:
    """
    Wait for a direct connection beside a limited one, for as long as that usually
    takes.

    @return: the limited one if there is no other.
    """
    direct = await node.whenDirect(connection.remotePeer, DIRECT_TIME)
    if direct is None:
        print("no direct connection: the relay limits time and bytes", file=sys.stderr)
    return direct or connection


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
                print(f"{times[-1]:.3f} ms", flush=True)
            pinger.transport.loseConnection()
        finally:
            if times:
                least, most, mean = min(times), max(times), sum(times) / len(times)
                print(
                    f"{len(times)} pings, min/avg/max {least:.3f}/{mean:.3f}/{most:.3f}"
                    " ms"
                )

    await _withConnection(reactor, options, use)


async def identify(reactor: Any, options: Any) -> None:
    """
    Print the description that a peer gives of itself.
    """

    async def use(node: Node, connection: IConnection) -> None:
        described = await node.identify(connection.remotePeer)
        _print("peer", [connection.remotePeer])
        _print("agent", [described.agent])
        _print("network", [described.protocolVersion])
        _print("security", [connection.security])
        _print("muxer", [connection.muxer])
        _print("sees us at", [described.observedAddress])
        _print("listens on", described.listenAddresses)
        _print("speaks", described.protocols)

    await _withConnection(reactor, options, use)


def _print(name: str, values: Iterable[object]) -> None:
    for value in values:
        print(f"{name:>12}  {printable(str(value))}")


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
        for line in node.reachability.report().lines(reactor.seconds()):
            print(printable(line))
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
        _printRate("upload", measured.uploaded, measured.uploadSeconds)
        _printRate("download", measured.downloaded, measured.downloadSeconds)

    await _withConnection(reactor, options, use)


def _printRate(name: str, size: int, seconds: float) -> None:
    if size:
        rate = size / seconds / 1e6
        print(f"{name:>8}  {size} bytes in {seconds:.6f} s, {rate:.1f} MB/s")


class _Stream(Pipe):
    """
    The half of the pipe that is a stream.

    @ivar over: fires with the reason when the stream has ended.
    """

    def __init__(self) -> None:
        self.over: Deferred[Any] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.over.callback(reason.value)


class _Console(Pipe):
    """
    The half of the pipe that is stdin and stdout.

    @ivar written: fires when everything is written to stdout.
    """

    def __init__(self) -> None:
        self.written: Deferred[None] = Deferred()

    def writeConnectionLost(self) -> None:
        super().writeConnectionLost()
        self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._finish()

    def _finish(self) -> None:
        if not self.written.called:
            self.written.callback(None)


async def pipe(reactor: Any, options: Any) -> None:
    """
    Join stdin and stdout with a stream, until both directions have ended.
    """

    async def use(node: Node, connection: IConnection) -> None:
        stream = _Stream()
        await connection.openStream(
            options["protocol"], StreamFactory(lambda: stream), allowLimited=True
        )
        console = _Console()
        StandardIO(console, reactor=reactor)
        stream.join(console)
        reason = await stream.over
        await console.written
        if not isinstance(reason, ConnectionDone):
            raise reason

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
            for peer in store.peers():
                print(peer, *store.addresses(peer))
    finally:
        await store.stopService()


#: The exit code of shells for programs that Ctrl-C has ended.
_INTERRUPTED = 130

#: The exit code of shells for programs whose output is no longer read.
_UNREAD = 141

_IMMEDIATE: dict[str, Callable[[Any], None]] = {"keygen": keygen, "id": showID}
_NETWORKED: dict[str, Callable[[Any, Any], Awaitable[None]]] = {
    "ping": ping,
    "identify": identify,
    "reachability": reachability,
    "perf": perf,
    "pipe": pipe,
    "peers": peers,
    "find": seek.find,
    "providers": seek.providers,
    "provide": seek.provide,
    "put": seek.put,
    "get": seek.get,
}


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
    try:
        options.parseOptions(arguments)
    except UsageError as error:
        raise SystemExit(f"libp2p: {error}") from None
    tool, chosen = str(options.subCommand), options.subOptions
    try:
        if tool in _IMMEDIATE:
            _IMMEDIATE[tool](chosen)
            sys.stdout.flush()
            raise SystemExit(0)
    except BrokenPipeError:
        raise _outputUnread() from None
    except (Libp2pError, OSError) as error:
        raise SystemExit(f"libp2p: {error}") from None

    async def run(reactor: Any) -> None:
        try:
            await _NETWORKED[tool](reactor, chosen)
            sys.stdout.flush()
        except BrokenPipeError:
            raise _outputUnread() from None
        except (Libp2pError, ConnectionClosed, OSError) as error:
            raise SystemExit(f"libp2p: {error}") from None
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


def _outputUnread() -> SystemExit:
    """
    Return the exception that ends the program silently when its stdout is no longer
    read, as in C{libp2p peers ... | head}.
    """
    # Python would write the buffered output at the end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return SystemExit(_UNREAD)


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
