# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tools that ask a DHT: C{libp2p find}, C{providers}, C{provide}, C{put} and C{get}.

Results go to stdout, progress to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import NotFound, UpgradeTimeout
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.pacing import addTimeout

# Other tools bootstrap as well, and most of these without a DHT.
with loadedOnUse():
    from twisted_libp2p.dht import lookup, operations, service

__all__ = ["bootstrap", "find", "get", "provide", "providers", "put"]

T = TypeVar("T")


async def find(reactor: Any, options: Any) -> None:
    """
    Print the full addresses of a peer.
    """
    peer: PeerID = options["peer"]
    if options["mdns"] or options["routing-url"]:
        await _findAnywhere(reactor, options, peer)
        return

    async def use(node: Node, dht: service.KademliaDHT) -> None:
        found = await _within(reactor, options, dht.locate(peer))
        _progress(found.report)
        if not found.addresses:
            raise _nothing(str(peer), found.report)
        full = [str(each.withPeer(peer)) for each in found.addresses]
        _print(options, full, found.report, peer=str(peer), addresses=full)

    await _withDHT(reactor, options, use)


async def _findAnywhere(reactor: Any, options: Any, peer: PeerID) -> None:
    """
    Print the addresses that the first of several routings has found.
    """
    arguments = options.nodeArguments()
    routings = options.routings(arguments["network"])
    node = Node(reactor, services=routings, **arguments)
    node.startService()
    try:
        if options["bootstrap"]:
            await bootstrap(node, options["bootstrap"])
        looking = Deferred.fromCoroutine(node.routing.findPeer(peer))
        full = [str(each) for each in await _within(reactor, options, looking)]
        _say(node.routing.explain(peer))
        _print(options, full, None, peer=str(peer), addresses=full)
    finally:
        await node.stopService()


async def providers(reactor: Any, options: Any) -> None:
    """
    Print the ids of the providers of some content.
    """

    def told(peer: PeerID, addresses: tuple[Multiaddr, ...]) -> None:
        _say(f"found {peer}")

    async def use(node: Node, dht: service.KademliaDHT) -> None:
        searching = dht.locateProviders(options["key"], options["count"], told)
        found = await _within(reactor, options, searching)
        _progress(found.report)
        if not found.providers:
            raise _nothing(f"a provider of {options['cid']}", found.report)
        listed = {
            str(peer): [str(each) for each in addresses]
            for peer, addresses in found.providers.items()
        }
        _print(
            options, list(listed), found.report, cid=options["cid"], providers=listed
        )

    await _withDHT(reactor, options, use)


async def provide(reactor: Any, options: Any) -> None:
    """
    Announce that this node provides some content.
    """

    async def use(node: Node, dht: service.KademliaDHT) -> None:
        await node.whenListening()
        stored = await _within(reactor, options, dht.provide(options["key"]))
        _printStored(options, stored, cid=options["cid"], peer=str(node.peerID))
        if options["stay"]:
            _say(f"{node.peerID} goes on until it is interrupted")
            await Deferred()

    await _withDHT(reactor, options, use)


async def put(reactor: Any, options: Any) -> None:
    """
    Store a value.
    """
    text = options["value"]
    value = sys.stdin.buffer.read() if text == "-" else text.encode()

    async def use(node: Node, dht: service.KademliaDHT) -> None:
        stored = await _within(reactor, options, dht.put(options["key"], value))
        _printStored(options, stored, key=options["key"].hex())

    await _withDHT(reactor, options, use)


async def get(reactor: Any, options: Any) -> None:
    """
    Write a value to stdout.
    """

    async def use(node: Node, dht: service.KademliaDHT) -> None:
        getting = dht.get(options["key"], options["quorum"])
        found = await _within(reactor, options, getting)
        _progress(found.report)
        if options["json"]:
            _print(
                options,
                [],
                found.report,
                key=options["key"].hex(),
                value=found.value.hex(),
                holders=found.holders,
            )
        else:
            sys.stdout.buffer.write(found.value)
            if sys.stdout.isatty():
                print()

    await _withDHT(reactor, options, use)


async def _withDHT(
    reactor: Any,
    options: Any,
    use: Callable[[Node, service.KademliaDHT], Awaitable[None]],
) -> None:
    """
    Connect to the bootstrap peers, and use the DHT.
    """
    dht = options.dht()
    arguments = {"listen": [], **options.nodeArguments()}
    node = Node(reactor, services=[dht], **arguments)
    node.startService()
    try:
        await bootstrap(node, options["bootstrap"])
        await use(node, dht)
    finally:
        await node.stopService()


async def bootstrap(node: Node, addresses: list[Multiaddr]) -> None:
    """
    Connect to the bootstrap peers at the same time; go on with the first.

    @raise NotFound: none can be reached.
    """
    reached: Deferred[bool] = Deferred()

    def connected(connection: IConnection, address: Multiaddr) -> None:
        _say(f"connected to {address}")
        if not reached.called:
            reached.callback(True)

    def failed(reason: Failure, address: Multiaddr) -> None:
        _say(f"{address} was not reached: {reason.getErrorMessage()}")

    def over(_: object) -> None:
        if not reached.called:
            reached.callback(False)

    dialing = [
        node.connect(each).addCallbacks(
            connected, failed, callbackArgs=(each,), errbackArgs=(each,)
        )
        for each in addresses
    ]
    DeferredList(dialing).addCallback(over)
    if not await reached:
        raise NotFound(
            "a bootstrap peer", reason=f"none of {len(addresses)} was reached"
        )


async def _within(reactor: Any, options: Any, waiting: Deferred[T]) -> T:
    """
    Wait as long as the user wants.

    @raise UpgradeTimeout: the time is over.
    """
    addTimeout(waiting, options["timeout"], reactor)
    try:
        return await waiting
    except TimeoutError:
        raise UpgradeTimeout("the lookup", options["timeout"]) from None


def _nothing(subject: str, report: lookup.Report) -> NotFound:
    return NotFound(subject, report.asked, report.asked - report.failed)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _progress(report: lookup.Report) -> None:
    _say(str(report))


def _printStored(options: Any, stored: operations.Stored, **facts: Any) -> None:
    """
    Print how many servers have stored something.
    """
    _progress(stored.report)
    text = f"stored by {stored.count} of {len(stored.report.nearest)} peers"
    _print(options, [text], stored.report, stored=stored.count, **facts)


def _print(
    options: Any, lines: list[str], report: lookup.Report | None, **facts: Any
) -> None:
    """
    Print the result, as lines or as one JSON object.

    @param report: the lookup; None if there was none, or not only one.
    """
    if report is not None:
        facts |= {
            "asked": report.asked,
            "heard": report.heard,
            "failed": report.failed,
            "hops": report.hops,
            "seconds": round(report.seconds, 3),
            "ending": report.ending.value,
        }
    options.show(lines, **facts)
