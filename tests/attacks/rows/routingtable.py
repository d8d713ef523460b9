# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rows of a server of a DHT.
"""

from __future__ import annotations

from tests.attacks.rows import routers, routing, swarms
from tests.attacks.rows.places import PUBLIC
from tests.attacks.rows.row import NOBODY, Row

__all__ = ["DHT_ROWS"]

DHT_ROWS = (
    Row(
        "dht.messages",
        "requests that are none, of an unknown type, without a key, with values of"
        " other keys and of unknown namespaces, of 100 KiB, of 2^60 bytes",
        routing.messages,
        others=NOBODY,
        node=("--dht",),
    ),
    Row(
        "dht.announcements",
        "another peer announced as a provider; 150 keys on one stream at once",
        routing.announcements,
        once=True,
        others=NOBODY,
        node=("--dht",),
    ),
    Row(
        "dht.flood",
        "20 streams with 1000 lookups each, as fast as they go",
        routing.flood,
        others=NOBODY,
        node=("--dht",),
    ),
    Row(
        "dht.lies",
        "a server names invented peers at addresses inside, this node itself elsewhere,"
        " and malformed ids",
        routers.lies,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.silence",
        "three servers name ever more peers, at a place that accepts connections and"
        " says nothing",
        routers.silence,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.answers",
        "answers of 4 MiB, with 10,000 addresses, of another type, two at once,"
        " garbage, and none",
        routers.answers,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.posers",
        "a peer claims to be a server, and resets each request",
        routers.posers,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.crowd",
        "300 peers of one address announce the same key, after an honest one",
        routers.crowd,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.values",
        "one peer stores 1,100 valid public keys; junk, old and oversized records",
        routers.values,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht",),
    ),
    Row(
        "dht.endless",
        "a lookup is led to 400 servers, each nearer than the last",
        swarms.endless,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht", "--host", PUBLIC),
    ),
    Row(
        "dht.sybils",
        "servers whose ids are near to a key deny its provider: 8 of one network, and"
        " 21 of seven, among 21 honest ones",
        swarms.sybils,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht", "--host", PUBLIC),
    ),
    Row(
        "dht.rollback",
        "older, expired and foreign records of a name; a record after its end; a server"
        " that has an old one",
        swarms.rollback,
        once=True,
        others=NOBODY,
        network=True,
        node=("--dht", "--host", PUBLIC),
    ),
)
