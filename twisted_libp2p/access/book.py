# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peers that a user has paired with: their names and addresses, in a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.identity.secrets import createFolder, replaceSecret

__all__ = ["MAX_ADDRESSES", "BookEntry", "PeerBook", "checkName"]

#: Addresses that are stored for a peer.
MAX_ADDRESSES = 16

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def checkName(name: str) -> str:
    """
    Check the name of a peer, which may be a part of a host name.

    @raise ConfigurationError: it is something else.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a name of a peer: it has 1 to 63 of a-z, 0-9 and hyphens,"
            " such as laptop"
        )
    return name


@dataclass(frozen=True)
class BookEntry:
    """
    One paired peer.
    """

    peer: PeerID
    name: str
    addresses: tuple[Multiaddr, ...] = ()

    def line(self) -> str:
        """
        Return the line of the file.
        """
        return " ".join(map(str, (self.peer, self.name, *self.addresses)))

    @classmethod
    def parse(cls, line: str) -> BookEntry:
        """
        Parse a line of the file.

        @raise ConfigurationError: it is malformed.
        """
        peer, name, *addresses = [*line.split(), ""][: 2 + MAX_ADDRESSES]
        try:
            return cls(
                PeerID.fromText(peer),
                checkName(name),
                tuple(Multiaddr(each) for each in addresses if each),
            )
        except InvalidInput as error:
            raise ConfigurationError(str(error)) from None


class PeerBook:
    """
    The paired peers of a node, by their ids.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: the file; a missing file is an empty book.
        @raise ConfigurationError: it cannot be read, or is malformed.
        """
        self._path = path
        self._entries: dict[PeerID, BookEntry] = {}
        self.reload()

    def reload(self) -> None:
        """
        Read the file again.

        @raise ConfigurationError: it cannot be read, or is malformed; nothing has
            changed then.
        """
        entries: dict[PeerID, BookEntry] = {}
        for number, line in enumerate(self._read(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                entry = BookEntry.parse(line)
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"{self._path}, line {number}: {error}"
                ) from None
            entries[entry.peer] = entry
        self._entries = entries

    def _read(self) -> list[str]:
        """
        Return the lines of the file.
        """
        try:
            with open(self._path, encoding="utf-8") as file:
                return list(file)
        except FileNotFoundError:
            return []
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"the paired peers in {self._path}: {error}"
            ) from None

    def __iter__(self) -> Iterator[BookEntry]:
        return iter(self._entries.values())

    def __contains__(self, peer: object) -> bool:
        return peer in self._entries

    def named(self, name: str) -> BookEntry | None:
        """
        Return the peer with a name; None without one.
        """
        for entry in self._entries.values():
            if entry.name == name:
                return entry
        return None

    def find(self, text: str) -> BookEntry | None:
        """
        Return the peer with a name or an id; None without one.
        """
        for entry in self._entries.values():
            if text in (entry.name, str(entry.peer)):
                return entry
        return None

    def freeName(self, wanted: str) -> str:
        """
        Return a name that no peer has, and that begins with a wanted one.
        """
        base = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:50] or "peer"
        name, number = base, 2
        while self.named(name) is not None:
            name, number = f"{base}-{number}", number + 1
        return name

    def add(
        self, peer: PeerID, name: str, addresses: Iterable[Multiaddr] = ()
    ) -> BookEntry:
        """
        Add a peer, and write the file.  A known peer keeps its name, and its addresses
        if none are given.

        @raise ConfigurationError: the user has made the file malformed.
        @raise OSError: the file cannot be written.
        """
        self.reload()
        known = self._entries.get(peer)
        kept = tuple(addresses)[:MAX_ADDRESSES]
        if known is None:
            entry = BookEntry(peer, self.freeName(name), kept)
        else:
            entry = BookEntry(peer, known.name, kept or known.addresses)
        entries = {**self._entries, peer: entry}
        self._write([each.line() for each in entries.values()])
        self._entries = entries
        return entry

    def _write(self, lines: list[str]) -> None:
        """
        Replace the file, so that it is complete at any time.
        """
        createFolder(os.path.dirname(os.path.abspath(self._path)))
        content = "".join(f"{each}\n" for each in lines)
        replaceSecret(self._path, content.encode())
