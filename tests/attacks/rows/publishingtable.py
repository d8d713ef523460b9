# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of a node that has joined a topic.
"""

from __future__ import annotations

from tests.attacks.rows import crowding, gossiping, overloading, publishing
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["PUBSUB_ROWS"]

PUBSUB_ROWS = (
    Row(
        "pubsub.frames",
        "lengths of 2^31, of 1 MiB + 1 and without an end, garbage, 5001 messages or"
        " 600 KiB of control in one RPC, 10,000 empty RPCs",
        publishing.frames,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.controls",
        "100 each of IHAVE, IWANT and IDONTWANT with 500 ids, of GRAFT, of PRUNE for"
        " 2^64-1 seconds, of extensions",
        publishing.controls,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.subscriptions",
        "100,000 topics, names that are empty, long or not UTF-8; 50,000 changes of one"
        " subscription",
        publishing.subscriptions,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.forgeries",
        "messages in the name of an honest peer, with its next numbers, and of the node"
        " itself; then the genuine ones",
        publishing.forgeries,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.streams",
        "1000 streams of one peer, one after the other",
        publishing.streams,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.promises",
        "10,000 ids at once, again and again, of messages that are never sent; one of"
        " them is that of an honest peer",
        gossiping.promises,
        once=True,
        others=NOBODY,
        node=("--pubsub", "unforgiving"),
    ),
    Row(
        "pubsub.answers",
        "200 requests of one message, and of 100,000 unknown ones",
        gossiping.answers,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.grafts",
        "prunes for 2^64-1, 2^63 and 0 s, of unknown topics; 500 grafts in one RPC, too"
        " early; extensions four times",
        gossiping.grafts,
        others=NOBODY,
        node=("--pubsub", "unforgiving"),
    ),
    Row(
        "pubsub.unwanted",
        "forged large messages with the next numbers of an honest author; 150,000 ids"
        " of unwanted messages, and some of 400 KiB",
        gossiping.unwanted,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.exchange",
        "a peer recommends others: without records, with those of others, forged, or of"
        " loopback, the node itself, 200 at once",
        overloading.exchange,
        once=True,
        others=NOBODY,
        network=True,
        node=("--pubsub", "exchanging"),
    ),
    Row(
        "pubsub.unread",
        "a subscriber that reads nothing, while 31 MiB are published",
        overloading.unread,
        memory=48,
        once=True,
        long=35,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.churn",
        "a peer that resets each stream of the node",
        overloading.churn,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.sybils",
        "30 peers of one address; a peer with a bad score that returns from another"
        " address",
        overloading.sybils,
        once=True,
        others=NOBODY,
        network=True,
        node=("--pubsub", "unforgiving"),
    ),
    Row(
        "pubsub.crowd",
        "100 peers of one address, on a node that lets them all in; a peer with a bad"
        " score that returns from ten addresses",
        crowding.crowd,
        once=True,
        others=NOBODY,
        network=True,
        node=("--pubsub", "open"),
    ),
    Row(
        "pubsub.million",
        "a million valid messages without authors, and then the last 131,000 again",
        crowding.million,
        memory=64,
        once=True,
        others=NOBODY,
        node=("--pubsub", "unsigned"),
    ),
    Row(
        "pubsub.validators",
        "1000 valid messages of a topic whose validator takes a second for each",
        overloading.validators,
        others=NOBODY,
        node=("--pubsub",),
    ),
    Row(
        "pubsub.replays",
        "3000 messages again and again, after the node has forgotten that it has seen"
        " them, with a check of replays",
        overloading.replays,
        others=NOBODY,
        node=("--pubsub", "forgetful"),
    ),
)
