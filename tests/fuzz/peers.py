# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: what a user keeps of a peerstore in a file.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fuzz.target import target
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.peerstore import MemoryPeerStore, dumpPeers, loadPeers

# When the addresses of the corpus have not expired.
_NOW = 1_800_000_000.0

_NOTHING = '"addresses": []}'


def _taken(text: str) -> list[str] | None:
    """
    Let a store learn what is in a file.

    @return: the file that it writes; None if it has refused the first one.
    """
    clock = Clock()
    clock.advance(_NOW)
    store = MemoryPeerStore(clock)
    results: list[Any] = []
    Deferred.fromCoroutine(loadPeers(store, text.split("\n"))).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        assert result.check(InvalidInput), result
        return None
    # A peer of which nothing is known may be forgotten at any time.
    return sorted(line for line in dumpPeers(store) if not line.endswith(_NOTHING))


@target
def peerLines(data: bytes) -> None:
    """
    A file of peers is refused, or what is written of it is read again.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    lines = _taken(text)
    if lines is not None:
        assert _taken("\n".join(lines)) == lines
