# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore: what is known of peers, whether they are connected or not.

What enters are addresses and facts that dialing, identify and the application
have learnt; what leaves are the addresses to dial.  The draft calls it peer
metadata storage.

A L{MemoryPeerStore} answers all questions; a L{PeerStoreService} is one that
writes behind to a database, and reads what other nodes have written there::

    memory      the contract, on a book of records
    book        the records of all peers, within bounds
    agenda      what is due when
    journal     what is not written yet
    snapshot    records, and what people see of them
    texts       the texts of peers, shared and reckoned
    rows        what is known, in the pieces that are written and read
    sql         the schema, and all SQL there is
    backends    SQLite and PostgreSQL
    service     moves rows between book and database
    learning    tells a store what happens
    jsonlines   what is known, as text
"""

from __future__ import annotations

from twisted_libp2p.interfaces import AddressInfo, PeerInfo, TagInfo
from twisted_libp2p.peerstore.jsonlines import dumpPeers, loadPeers
from twisted_libp2p.peerstore.learning import Learner
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.records import (
    FACTS_TTL,
    RECENTLY_CONNECTED,
    TEMPORARY,
    TTLS,
    Limits,
)
from twisted_libp2p.peerstore.service import PeerStoreService, openPeerStore

__all__ = [
    "FACTS_TTL",
    "RECENTLY_CONNECTED",
    "TEMPORARY",
    "TTLS",
    "AddressInfo",
    "Learner",
    "Limits",
    "MemoryPeerStore",
    "PeerInfo",
    "PeerStoreService",
    "TagInfo",
    "dumpPeers",
    "loadPeers",
    "openPeerStore",
]
