# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The facts about peers as text: one JSON object a line for each peer.

Metadata belongs to the application, and is left out.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from math import inf, isfinite
from typing import Any, TypeVar

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import (
    AddressInfo,
    IPeerStore,
    PeerInfo,
    Source,
    TagInfo,
)

__all__ = ["dumpPeers", "loadPeers"]

#: The number of peers after which a store is flushed.
_FLUSH = 1000

#: Names in earlier exports, and those in use now.
_RENAMED = {
    "met": "lastConnected",
    "identified": "identifiedAt",
    "dialectLearnt": "dialectLearntAt",
}

T = TypeVar("T")


def dumpPeers(store: IPeerStore) -> Iterator[str]:
    """
    Export all facts of a store.

    @param store: a store that has loaded.
    @return: the lines, without their ends.
    """
    for peer in store.peers():
        info = store.info(peer)
        if info is not None:
            yield json.dumps(_dump(info), ensure_ascii=False)


async def loadPeers(store: IPeerStore, lines: Iterable[str]) -> int:
    """
    Merge the exported facts of another store into a store; newer facts win.

    @param store: a store that has loaded.
    @param lines: the lines that L{dumpPeers} returned; empty lines are ignored.
    @return: the number of peers.
    @raise InvalidInput: a line is wrong; the lines before it have been merged.
    """
    count = 0
    for number, line in enumerate(_decoded(lines), 1):
        if not line.strip():
            continue
        try:
            store.merge(_load(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"line {number}: {error}") from None
        count += 1
        if count % _FLUSH == 0:
            await store.flush()
    await store.flush()
    return count


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    """
    Return the lines of a file.

    @raise InvalidInput: the file is not a text in UTF-8.
    """
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InvalidInput(f"this is not a text in UTF-8: {error}") from None


def _dump(info: PeerInfo) -> dict[str, Any]:
    known = {
        "peer": str(info.peer),
        "addresses": [
            _some(
                address=str(each.address),
                source=[str(flag.name).lower() for flag in each.source],
                learnt=each.learnt,
                expires=_time(each.expires),
                succeeded=each.succeeded,
                failed=each.failed,
            )
            for each in info.addresses
        ],
    }
    return known | _some(
        lastConnected=info.lastConnected,
        publicKey=_text(None if info.publicKey is None else info.publicKey.toBytes()),
        identifiedAt=info.identifiedAt,
        agent=info.agent,
        protocolVersion=info.protocolVersion,
        protocols=info.protocols,
        record=_text(info.record),
        dialect=info.dialect,
        dialectLearntAt=info.dialectLearntAt,
        tags={
            name: _some(value=tag.value, learnt=tag.learnt, expires=_time(tag.expires))
            for name, tag in info.tags.items()
        },
    )


def _some(**values: Any) -> dict[str, Any]:
    """
    Return those values that are known.
    """
    return {
        name: value for name, value in values.items() if value not in (None, "", (), {})
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _time(time: float) -> float | None:
    return None if time == inf else time


def _load(line: Any) -> PeerInfo:
    found: dict[str, Any] = _is(line, "this", dict)
    entry = {_RENAMED.get(name, name): value for name, value in found.items()}
    peer = _get(entry, "peer", str)
    if peer is None:
        raise InvalidInput("the peer is missing")
    key, record = _bytes(entry, "publicKey"), _bytes(entry, "record")
    addresses = _get(entry, "addresses", list) or ()
    protocols = _get(entry, "protocols", list) or ()
    tags = _get(entry, "tags", dict) or {}
    return PeerInfo(
        peer=PeerID.fromText(peer),
        addresses=tuple(_loadAddress(each) for each in addresses),
        lastConnected=_seconds(entry, "lastConnected"),
        publicKey=None if key is None else PublicKey.fromBytes(key),
        identifiedAt=_seconds(entry, "identifiedAt"),
        agent=_get(entry, "agent", str) or "",
        protocolVersion=_get(entry, "protocolVersion", str) or "",
        protocols=tuple(_is(each, "protocols", str) for each in protocols),
        record=record,
        dialect=_get(entry, "dialect", str),
        dialectLearntAt=_seconds(entry, "dialectLearntAt"),
        tags={name: _loadTag(each) for name, each in tags.items()},
    )


def _loadAddress(entry: Any) -> AddressInfo:
    text = _get(entry, "address", str)
    if text is None:
        raise InvalidInput("an entry of addresses lacks its address")
    source = Source(0)
    for name in _get(entry, "source", list) or ():
        flag = Source.__members__.get(_is(name, "source", str).upper())
        if flag is None:
            raise InvalidInput(f"{name!r} is not a source of addresses")
        source |= flag
    expires = _seconds(entry, "expires")
    return AddressInfo(
        address=Multiaddr(text),
        source=source or Source.DISCOVERED,
        learnt=_seconds(entry, "learnt") or 0.0,
        expires=inf if expires is None else expires,
        succeeded=_seconds(entry, "succeeded"),
        failed=_seconds(entry, "failed"),
    )


def _loadTag(entry: Any) -> TagInfo:
    value = _get(entry, "value", int)
    expires = _seconds(entry, "expires")
    return TagInfo(
        value=value or 0,
        learnt=_seconds(entry, "learnt") or 0.0,
        expires=inf if expires is None else expires,
    )


def _get(entry: Any, name: str, type: type[T]) -> T | None:
    value = _is(entry, "this", dict).get(name)
    return None if value is None else _is(value, name, type)


def _is(value: Any, name: str, type: type[T]) -> T:
    if not isinstance(value, type) or isinstance(value, bool):
        raise InvalidInput(f"{name} must be of type {type.__name__}")
    return value


def _seconds(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{name} must be a number of seconds")
    if not 0 <= value < 1e15 or not isfinite(value):
        raise InvalidInput(f"{name} is not a time")
    return float(value)


def _bytes(entry: Mapping[str, Any], name: str) -> bytes | None:
    text = _get(entry, name, str)
    return None if text is None else b64decode(text, validate=True)
