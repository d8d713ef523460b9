# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of a node that has joined a topic.
"""

from __future__ import annotations

from tests.attacks.rows import publishing
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
)
