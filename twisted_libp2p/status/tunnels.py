# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tunnels, as lines of the status page.
"""

from __future__ import annotations

from twisted_libp2p.node import Node
from twisted_libp2p.protocols.forward import Traffic
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.tunnel.tunnel import Tunnel

__all__ = ["tunnelLines"]


def tunnelLines(node: Node) -> list[str]:
    """
    Return the lines of the status page about the tunnels of a node.
    """
    lines = []
    for each in node.services:
        if isinstance(each, ServedPort):
            who = "every peer" if each.allow is None else "listed peers"
            lines.append(
                f"{each.protocol} is {each.description}, for {who}:"
                f" {_counts(each.traffic)}"
            )
        elif isinstance(each, Tunnel):
            lines.append(
                f"{each.local} is {each.protocol} of {each.peer}, {each.state}:"
                f" {_counts(each.traffic)}"
            )
    return lines


def _counts(traffic: Traffic) -> str:
    """
    Return the counts of a tunnel, its limit, and its latest error.
    """
    text = (
        f"{traffic.open} open of {traffic.opened}, {traffic.received} bytes in,"
        f" {traffic.sent} out"
    )
    if traffic.throttle is not None:
        text += f", up to {traffic.throttle.perSecond:g} a second"
    if traffic.idle is not None:
        text += f", ended after {traffic.idle.seconds:g} s without a byte"
    return f"{text}; {traffic.error}" if traffic.error else text
