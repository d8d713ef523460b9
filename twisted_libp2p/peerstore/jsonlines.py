# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is known of peers as text: one JSON object a line for each peer.

Metadata is the application's own, and is left out.
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

#: After how many peers a store is asked to write what it has learnt.
_FLUSH = 1000

T = TypeVar("T")


def dumpPeers(store: IPeerStore) -> Iterator[str]:
    """
    Write what a store knows.

    @param store: a store that has loaded.
    @return: lines, without their ends.
    """
    for peer in store.peers():
        info = store.info(peer)
        if info is not None:
            yield json.dumps(_dump(info), ensure_ascii=False)


async def loadPeers(store: IPeerStore, lines: Iterable[str]) -> int:
    """
    Let a store learn what another one knew; what is newer wins.

    @param store: a store that has loaded.
    @param lines: what L{dumpPeers} has given; empty lines are left out.
    @return: how many peers there were.
    @raise InvalidInput: a line is not what it ought to be; those before it
        have been learnt.
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
    Return lines that come from a file.

    @raise InvalidInput: the file is no text in UTF-8.
    """
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InvalidInput(f"this is no text in UTF-8: {error}") from None


def _dump(info: PeerInfo) -> dict[str, Any]:
    told = {
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
    return told | _some(
        met=info.met,
        publicKey=_text(None if info.publicKey is None else info.publicKey.toBytes()),
        identified=info.identified,
        agent=info.agent,
        protocolVersion=info.protocolVersion,
        protocols=info.protocols,
        record=_text(info.record),
        dialect=info.dialect,
        dialectLearnt=info.dialectLearnt,
        tags={
            name: _some(value=tag.value, learnt=tag.learnt, expires=_time(tag.expires))
            for name, tag in info.tags.items()
        },
    )


def _some(**values: Any) -> dict[str, Any]:
    """
    Leave out what is not known.
    """
    return {
        name: value for name, value in values.items() if value not in (None, "", (), {})
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _time(time: float) -> float | None:
    return None if time == inf else time


def _load(told: Any) -> PeerInfo:
    peer = _get(told, "peer", str)
    if peer is None:
        raise InvalidInput("there is no peer")
    key, record = _bytes(told, "publicKey"), _bytes(told, "record")
    addresses = _get(told, "addresses", list) or ()
    protocols = _get(told, "protocols", list) or ()
    tags = _get(told, "tags", dict) or {}
    return PeerInfo(
        peer=PeerID.fromText(peer),
        addresses=tuple(_loadAddress(each) for each in addresses),
        met=_seconds(told, "met"),
        publicKey=None if key is None else PublicKey.fromBytes(key),
        identified=_seconds(told, "identified"),
        agent=_get(told, "agent", str) or "",
        protocolVersion=_get(told, "protocolVersion", str) or "",
        protocols=tuple(_is(each, "protocols", str) for each in protocols),
        record=record,
        dialect=_get(told, "dialect", str),
        dialectLearnt=_seconds(told, "dialectLearnt"),
        tags={name: _loadTag(each) for name, each in tags.items()},
    )


def _loadAddress(told: Any) -> AddressInfo:
    text = _get(told, "address", str)
    if text is None:
        raise InvalidInput("an address without an address")
    source = Source(0)
    for name in _get(told, "source", list) or ():
        flag = Source.__members__.get(_is(name, "source", str).upper())
        if flag is None:
            raise InvalidInput(f"no source {name!r}")
        source |= flag
    expires = _seconds(told, "expires")
    return AddressInfo(
        address=Multiaddr(text),
        source=source or Source.DISCOVERED,
        learnt=_seconds(told, "learnt") or 0.0,
        expires=inf if expires is None else expires,
        succeeded=_seconds(told, "succeeded"),
        failed=_seconds(told, "failed"),
    )


def _loadTag(told: Any) -> TagInfo:
    value = _get(told, "value", int)
    expires = _seconds(told, "expires")
    return TagInfo(
        value=value or 0,
        learnt=_seconds(told, "learnt") or 0.0,
        expires=inf if expires is None else expires,
    )


def _get(told: Any, name: str, type: type[T]) -> T | None:
    value = _is(told, "this", dict).get(name)
    return None if value is None else _is(value, name, type)


def _is(value: Any, name: str, type: type[T]) -> T:
    if not isinstance(value, type) or isinstance(value, bool):
        raise InvalidInput(f"{name} has to be of type {type.__name__}")
    return value


def _seconds(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{name} has to be a number of seconds")
    if not 0 <= value < 1e15 or not isfinite(value):
        raise InvalidInput(f"{name} is no time")
    return float(value)


def _bytes(told: Mapping[str, Any], name: str) -> bytes | None:
    text = _get(told, name, str)
    return None if text is None else b64decode(text, validate=True)
