# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The actions that a router returns: everything that its owner has to do.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC

__all__ = [
    "Action",
    "Check",
    "Deliver",
    "Dial",
    "Forward",
    "Happening",
    "Keep",
    "Report",
    "Send",
    "Validation",
    "Verdict",
    "Withdraw",
]


class Validation(Enum):
    """
    What a validator says about a message.
    """

    #: It is delivered, and passed on.
    ACCEPT = "accept"
    #: It is dropped, and its senders are blamed.
    REJECT = "reject"
    #: It is dropped, and nobody is blamed.
    IGNORE = "ignore"


class Verdict(Enum):
    """
    What has become of a message.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IGNORED = "ignored"
    #: Its signature is wrong: another copy may be right.
    FORGED = "forged"
    #: There was no room to validate it.
    THROTTLED = "throttled"


class Happening(Enum):
    """
    What a router reports.
    """

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    GRAFTED = "grafted"
    PRUNED = "pruned"
    DROPPED = "dropped"
    OTHER_IDS = "other ids"


class Send(NamedTuple):
    """
    Send control to a peer.
    """

    peer: bytes
    rpc: RPC


class Forward(NamedTuple):
    """
    Send a message to a peer.
    """

    peer: bytes
    message: Message


class Withdraw(NamedTuple):
    """
    Drop the messages with these ids that wait to be sent to a peer.
    """

    peer: bytes
    ids: list[bytes]


class Check(NamedTuple):
    """
    Validate a message: its signature, and then by the validators of the topic.
    """

    message: Message
    sender: bytes


class Deliver(NamedTuple):
    """
    Give a message to the subscribers of its topic.

    @ivar sender: the peer that has delivered it; ourselves for a message of our own.
    """

    message: Message
    sender: bytes


class Dial(NamedTuple):
    """
    Dial a peer that another one has recommended.

    @ivar record: the signed record of the peer; empty without one.
    @ivar by: the peer that has recommended it.
    """

    peer: bytes
    record: bytes
    by: bytes


class Keep(NamedTuple):
    """
    Keep the connection of a mesh peer, or no longer.
    """

    peer: bytes
    topic: str
    on: bool


class Report(NamedTuple):
    """
    Report what has happened.
    """

    what: Happening
    peer: bytes
    topic: str
    reason: str = ""


Action = Send | Forward | Withdraw | Check | Deliver | Dial | Keep | Report
