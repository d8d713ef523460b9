# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The commands that a running node answers.
"""

from __future__ import annotations

from typing import Any

from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.control.server import Command
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.forward import Traffic
from twisted_libp2p.status.certificates import certificateText
from twisted_libp2p.tunnel.door.service import Door
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.tunnel.tunnel import Tunnel

__all__ = ["MAX_SHOWN", "commandsOf", "statusOf"]

#: Number of connections that a status names.
MAX_SHOWN = 100


def commandsOf(node: Node, pairing: PairingService) -> dict[str, Command]:
    """
    Return the commands of a node, by their names.
    """
    return {
        "status": lambda request: statusOf(node, pairing),
        "invite": lambda request: {"ticket": pairing.invite().toText()},
    }


def statusOf(node: Node, pairing: PairingService) -> dict[str, Any]:
    """
    Return the state of a node.
    """
    names = {entry.peer: entry.name for entry in pairing.book}
    connections = list(node.connections)
    return {
        "peer": str(node.peerID),
        "addresses": [str(each) for each in node.addresses],
        "paired": {str(peer): name for peer, name in names.items()},
        "connections": len(connections),
        "peers": [
            {
                "peer": str(each.remotePeer),
                "name": names.get(each.remotePeer, ""),
                "address": str(each.remoteAddress or ""),
                "relayed": not isDirect(each),
                "streams": len(each.streams),
            }
            for each in connections[:MAX_SHOWN]
        ],
        "tunnels": [
            {
                "local": each.local,
                "peer": str(each.peer),
                "protocol": each.protocol,
                "state": each.state,
                **_counts(each.traffic),
            }
            for each in node.services
            if isinstance(each, Tunnel)
        ],
        "served": [
            {
                "protocol": each.protocol,
                "endpoint": each.description,
                **_counts(each.traffic),
            }
            for each in node.services
            if isinstance(each, ServedPort)
        ],
        "doors": [
            {"local": each.local, **_counts(each.traffic)}
            for each in node.services
            if isinstance(each, Door)
        ],
        "certificates": [
            _certificate(each) for each in node.services if isinstance(each, AutoTLS)
        ],
    }


def _certificate(service: AutoTLS) -> dict[str, Any]:
    """
    Return the state of the certificate of AutoTLS; times are seconds since 1970.
    """
    present = service.certificate.present
    return {
        "name": service.wanted,
        "expires": None if present is None else present.expires,
        "state": service.state,
        "due": service.due,
        "text": certificateText(service),
        "failures": service.failures,
        "error": "" if service.problem is None else str(service.problem),
    }


def _counts(traffic: Traffic) -> dict[str, Any]:
    """
    Return the counts of a tunnel.
    """
    return {
        "open": traffic.open,
        "opened": traffic.opened,
        "failed": traffic.failed,
        "received": traffic.received,
        "sent": traffic.sent,
        "error": traffic.error,
    }
