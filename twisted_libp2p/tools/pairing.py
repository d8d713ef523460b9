# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p invite}, C{accept} and C{status}.
"""

from __future__ import annotations

import socket
import time
from typing import Any

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
    lines = [("peer", answer["peer"])]
    lines += [("listens on", each) for each in answer["addresses"]]
    lines += [
        ("served", f"{each['protocol']} by {each['endpoint']}: {_traffic(each)}")
        for each in answer["served"]
    ]
    lines += [
        (
            "tunnel",
            f"{each['local']} is {each['protocol']} of {each['peer']}, {each['state']}:"
            f" {_traffic(each)}",
        )
        for each in answer["tunnels"]
    ]
    lines += [
        ("door", f"{each['local']}: {_traffic(each)}") for each in answer["doors"]
    ]
    for each in answer["certificates"]:
        lines.append(("certificate", f"{each['name']}: {_certificate(each)}"))
        if each["error"]:
            failure = f"failures: {each['failures']}, the last one: {each['error']}"
            lines.append(("certificate", failure))
    lines += [("paired", f"{peer} {name}") for peer, name in answer["paired"].items()]
    lines += [("connected", _connection(each)) for each in answer["peers"]]
    options.show((f"{name:>12}  {printable(text)}" for name, text in lines), **answer)


def _traffic(counts: dict[str, Any]) -> str:
    text = (
        f"{counts['open']} open of {counts['opened']}, {counts['received']} bytes in,"
        f" {counts['sent']} out"
    )
    return f"{text}; {counts['error']}" if counts["error"] else text


def _certificate(facts: dict[str, Any]) -> str:
    """
    Describe the certificate, and when the next one is asked for.
    """
    expires, due = facts["expires"], facts["due"]
    text = "none yet" if expires is None else f"valid until {_date(expires)}"
    if due is not None:
        return f"{text}, the next request {_date(due)}"
    asking = facts["state"] == "asking"
    return f"{text}, {'asked for now' if asking else 'no address that can be dialed'}"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _connection(facts: dict[str, Any]) -> str:
    way = "by a relay" if facts["relayed"] else "directly"
    return " ".join(filter(None, (facts["peer"], facts["name"], way, facts["address"])))
