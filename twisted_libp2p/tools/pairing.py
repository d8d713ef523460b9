# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p invite}, C{accept} and C{status}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError

from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.control.client import ask
from twisted_libp2p.errors import UpgradeTimeout
from twisted_libp2p.node import Node
from twisted_libp2p.options.listening import freeAddresses
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.printable import printable

__all__ = ["accept", "invite", "status"]


async def invite(reactor: Any, options: Any) -> None:
    """
    Print a ticket of the running node.
    """
    answer = await ask(reactor, options.socket(), "invite")
    options.show([answer["ticket"]], ticket=answer["ticket"])


async def accept(reactor: Any, options: Any) -> None:
    """
    Use a ticket, and print the name of the paired peer.
    """
    ticket, seconds = options["ticket"], options["timeout"]
    title = options["name"] or socket.gethostname().partition(".")[0]
    pairing = PairingService(options.book(), title)
    arguments = {**options.nodeArguments(), "listen": freeAddresses(False)}
    node = Node(reactor, **arguments, services=[pairing])
    node.startService()
    try:
        await node.whenListening()
        accepting = Deferred.fromCoroutine(pairing.accept(ticket, title))
        addTimeout(accepting, seconds, reactor)
        try:
            entry = await accepting
        except TimeoutError:
            raise UpgradeTimeout(f"pairing with {ticket.peer}", seconds) from None
        options.show(
            [f"paired with {entry.peer}, as {entry.name}"],
            peer=str(entry.peer),
            name=entry.name,
        )
    finally:
        await node.stopService()


async def status(reactor: Any, options: Any) -> None:
    """
    Print the state of the running node.
    """
    answer = await ask(reactor, options.socket(), "status")
    options.show(
        (f"{name:>12}  {printable(text)}" for name, text in _lines(answer)), **answer
    )


def _lines(answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """
    Generate the lines of a state, each with its name.

    A node of another version may lack a part of the answer, or have it in another form:
    the line says so then.
    """
    for key, name, describe in _PARTS:
        try:
            texts = list(describe(answer[key]))
        except (AttributeError, KeyError, TypeError, ValueError):
            texts = ["unknown: the node has another version of this package"]
        for text in texts:
            yield name, text


def _served(served: list[dict[str, Any]]) -> Iterator[str]:
    for each in served:
        yield f"{each['protocol']} by {each['endpoint']}: {_traffic(each)}"


def _tunnels(tunnels: list[dict[str, Any]]) -> Iterator[str]:
    for each in tunnels:
        yield (
            f"{each['local']} is {each['protocol']} of {each['peer']}, {each['state']}:"
            f" {_traffic(each)}"
        )


def _doors(doors: list[dict[str, Any]]) -> Iterator[str]:
    for each in doors:
        yield f"{each['local']}: {_traffic(each)}"


def _certificates(certificates: list[dict[str, Any]]) -> Iterator[str]:
    for each in certificates:
        yield f"{each['name']}: {each['text']}"
        if each["error"]:
            yield f"failures: {each['failures']}, the last one: {each['error']}"


def _paired(paired: dict[str, str]) -> Iterator[str]:
    for peer, name in paired.items():
        yield f"{peer} {name}"


def _connections(peers: list[dict[str, Any]]) -> Iterator[str]:
    for each in peers:
        way = "by a relay" if each["relayed"] else "directly"
        yield " ".join(filter(None, (each["peer"], each["name"], way, each["address"])))


def _traffic(counts: dict[str, Any]) -> str:
    text = (
        f"{counts['open']} open of {counts['opened']}, {counts['received']} bytes in,"
        f" {counts['sent']} out"
    )
    return f"{text}; {counts['error']}" if counts["error"] else text


#: The parts of a state: the key in the answer, the name of the lines, and the function
#: that returns their texts.
_PARTS: Final[tuple[tuple[str, str, Callable[[Any], Iterable[str]]], ...]] = (
    ("peer", "peer", lambda peer: (str(peer),)),
    ("addresses", "listens on", lambda addresses: map(str, addresses)),
    ("served", "served", _served),
    ("tunnels", "tunnel", _tunnels),
    ("doors", "door", _doors),
    ("certificates", "certificate", _certificates),
    ("paired", "paired", _paired),
    ("peers", "connected", _connections),
)
