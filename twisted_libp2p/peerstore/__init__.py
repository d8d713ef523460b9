# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore: everything that is known about peers, whether they are connected or not.

Addresses and facts come in from dialing, identify and the application; addresses to
dial go out.  The draft calls it peer metadata storage.

A L{MemoryPeerStore} answers all questions.  A L{PeerStoreService} also writes its facts
to a database, and reads the facts that other nodes have written there::

    memory      the contract: four books on one book of records
    addresses   the address book       keys        the key book
    protocols   the protocol book      metadata    the metadata book
    base        what these books share
    book        the records of all peers, within bounds
    records     the facts about one peer
    agenda      which record expires next
    journal     the changes that are not written yet
    rows        the facts in the pieces that are written and read
    merging     between records and rows
    snapshot    between records and the values of the contract
    texts       the texts of peers: shared, and measured
    tables      the tables and their migrations
    sql         the transactions
    backends    SQLite and PostgreSQL
    service     moves rows between book and database
    opening     makes the peerstore that a description names
    updater     stores what happens on the connections of a node
    jsonlines   facts as text
"""

from __future__ import annotations

from twisted_libp2p.interfaces import AddressInfo, PeerInfo, TagInfo
from twisted_libp2p.peerstore.jsonlines import dumpPeers, loadPeers
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.opening import openPeerStore
from twisted_libp2p.peerstore.records import (
    FACTS_TTL,
    RECENTLY_CONNECTED,
    TEMPORARY,
    TTLS,
    Limits,
)
from twisted_libp2p.peerstore.service import PeerStoreService
from twisted_libp2p.peerstore.updater import PeerStoreUpdater

__all__ = [
    "FACTS_TTL",
    "RECENTLY_CONNECTED",
    "TEMPORARY",
    "TTLS",
    "AddressInfo",
    "Limits",
    "MemoryPeerStore",
    "PeerInfo",
    "PeerStoreService",
    "PeerStoreUpdater",
    "TagInfo",
    "dumpPeers",
    "loadPeers",
    "openPeerStore",
]
