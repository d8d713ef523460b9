# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
All targets: to import this is to fill the tables.
"""

from __future__ import annotations

from tests.fuzz import (
    addresses,
    arrivals,
    autotlses,
    discoveries,
    gateways,
    kademlias,
    keys,
    messages,
    multistreams,
    muxers,
    natives,
    negotiation,
    nodes,
    peers,
    proxies,
    pubsubs,
    quicframes,
    quics,
    reaching,
    relays,
    securities,
    tlschannels,
    tunnels,
    webrtccalls,
    webrtcs,
    webs,
    websockets,
    webtransports,
    yamuxes,
)
from tests.fuzz.target import DIFFERENTIAL, TARGETS

__all__ = [
    "DIFFERENTIAL",
    "TARGETS",
    "addresses",
    "arrivals",
    "autotlses",
    "discoveries",
    "gateways",
    "kademlias",
    "keys",
    "messages",
    "multistreams",
    "muxers",
    "natives",
    "negotiation",
    "nodes",
    "peers",
    "proxies",
    "pubsubs",
    "quicframes",
    "quics",
    "reaching",
    "relays",
    "securities",
    "tlschannels",
    "tunnels",
    "webrtccalls",
    "webrtcs",
    "webs",
    "websockets",
    "webtransports",
    "yamuxes",
]
