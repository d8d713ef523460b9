# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The lists of the peers that may use a protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.groups import Groups, readGroups
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import PeerID

__all__ = ["PAIRED", "AccessLists"]

#: The group of all paired peers.
PAIRED: Final = "paired"


class AccessLists:
    """
    The lists of a node.  Entries are peer ids, and groups after an C{@}.

    @ivar book: the paired peers; None without a folder for them.
    """

    def __init__(self, groups: str | None = None, book: PeerBook | None = None) -> None:
        """
        @param groups: the file of groups.
        @raise ConfigurationError: a file is malformed.
        """
        self._path = groups
        self.book = book
        self._groups: Groups = {} if groups is None else readGroups(groups)

    def reload(self) -> None:
        """
        Read the files again.

        @raise ConfigurationError: one cannot be read, or is malformed; the lists stay
            as they were then.
        """
        groups = {} if self._path is None else readGroups(self._path)
        if self.book is not None:
            self.book.reload()
        self._groups = groups

    def permits(self, entries: Iterable[str]) -> Callable[[PeerID], bool]:
        """
        Return the function that decides about a peer, by the lists as they are then.

        @param entries: peer ids, and groups such as C{@family}.
        @raise ConfigurationError: an entry is malformed, or names an unknown group.
        """
        peers: set[PeerID] = set()
        groups: list[str] = []
        for entry in entries:
            if entry.startswith("@"):
                groups.append(self._checked(entry[1:]))
                continue
            try:
                peers.add(PeerID.fromText(entry))
            except InvalidInput as error:
                raise ConfigurationError(str(error)) from None

        def permitted(peer: PeerID) -> bool:
            return peer in peers or any(self._has(each, peer) for each in groups)

        return permitted

    def _checked(self, name: str) -> str:
        """
        Check the name of a group.
        """
        if name == PAIRED and self.book is None:
            raise ConfigurationError(
                f"@{PAIRED} needs --data FOLDER, where the paired peers are kept"
            )
        if name != PAIRED and name not in self._groups:
            where = f" in {self._path}" if self._path else ": --groups FILE names them"
            raise ConfigurationError(f"there is no group {name!r}{where}")
        return name

    def _has(self, group: str, peer: PeerID) -> bool:
        if group == PAIRED and self.book is not None:
            return peer in self.book
        return peer in self._groups.get(group, ())
