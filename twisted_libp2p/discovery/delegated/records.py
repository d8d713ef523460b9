# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records of delegated routing, in JSON, without I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    InvalidInput,
    InvalidMultiaddr,
    InvalidPeerID,
)
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_RECORDS", "AnswerReader", "Record", "writeRecord"]

#: Maximum number of records in an answer, and of addresses and protocols in a record.
MAX_RECORDS: Final = 100

#: Maximum size of an answer, in bytes.
MAX_ANSWER: Final = 1 << 20

#: Maximum size of one line of an answer in lines, in bytes.
MAX_LINE: Final = 64 * 1024

#: Schemas with the fields of a peer; those of bitswap are of older servers.
_SCHEMAS: Final = ("peer", "bitswap", "unknown")


@dataclass(frozen=True, slots=True)
class Record:
    """
    A peer, and what a server says about it.

    @ivar peer: the peer.
    @ivar addresses: its addresses, without its id.
    @ivar protocols: the names of the transfer protocols that it speaks.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...]
    protocols: tuple[str, ...] = ()


def _record(value: Any) -> Record | None:
    """
    Read a record; one of another schema, or without a peer, is left out.
    """
    if not isinstance(value, dict) or value.get("Schema") not in _SCHEMAS:
        return None
    try:
        peer = PeerID.fromText(str(value.get("ID")))
    except InvalidPeerID:
        return None
    addresses = dict.fromkeys(_addresses(value.get("Addrs"), peer))
    protocols = value.get("Protocols")
    named = protocols if isinstance(protocols, list) else []
    return Record(
        peer,
        tuple(addresses),
        tuple(each for each in named[:MAX_RECORDS] if isinstance(each, str)),
    )


def _addresses(value: Any, peer: PeerID) -> Iterator[Multiaddr]:
    for each in value[:MAX_RECORDS] if isinstance(value, list) else ():
        try:
            address = Multiaddr(str(each))
        except InvalidMultiaddr:
            continue
        if address.peerID in (None, peer):
            yield address.withoutPeer()


def writeRecord(record: Record) -> dict[str, Any]:
    """
    Return the form of a record in JSON.
    """
    return {
        "Schema": "peer",
        "ID": str(record.peer),
        "Addrs": [str(each) for each in record.addresses],
        "Protocols": list(record.protocols),
    }


class AnswerReader:
    """
    Reads an answer: one object, or one record in each line.

    @ivar records: the records so far.
    """

    def __init__(self, name: str, inLines: bool) -> None:
        """
        Begin to read.

        @param name: the name of the list in an object: C{"Peers"} or C{"Providers"}.
        @param inLines: whether each line is a record.
        """
        self.records: list[Record] = []
        self._name = name
        self._inLines = inLines
        self._buffer = bytearray()

    @property
    def full(self) -> bool:
        """
        Whether no further record is read.
        """
        return len(self.records) >= MAX_RECORDS

    def feed(self, data: bytes) -> None:
        """
        Read some bytes.

        @raise InvalidInput: they are too many, or not JSON.
        """
        self._buffer += data
        if not self._inLines:
            if len(self._buffer) > MAX_ANSWER:
                raise InvalidInput(f"an answer of more than {MAX_ANSWER} bytes")
            return
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            self._line(bytes(line))
        if len(rest) > MAX_LINE:
            raise InvalidInput(f"a line of more than {MAX_LINE} bytes")

    def end(self) -> list[Record]:
        """
        Read the rest.

        @return: the records.
        @raise InvalidInput: the answer is not JSON.
        """
        if self._inLines:
            self._line(bytes(self._buffer))
            return self.records
        answer = _parse(bytes(self._buffer))
        values = answer.get(self._name) if isinstance(answer, dict) else None
        self._take(values if isinstance(values, list) else [])
        return self.records

    def _line(self, line: bytes) -> None:
        if len(line) > MAX_LINE:
            raise InvalidInput(f"a line of more than {MAX_LINE} bytes")
        if line.strip() and not self.full:
            self._take([_parse(line)])

    def _take(self, values: Iterable[Any]) -> None:
        for each in values:
            record = _record(each)
            if record is not None and not self.full:
                self.records.append(record)


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput("an answer that is not JSON") from None
