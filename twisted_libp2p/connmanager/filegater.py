# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A gater whose blocked peers stand in a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from zope.interface import implementer

from twisted_libp2p.connmanager.gater import AddressList, Entry, ListGater
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IReloadable
from twisted_libp2p.logger import Logger

__all__ = ["FileGater"]


@implementer(IReloadable)
class FileGater(ListGater):
    """
    Refuses the peers and addresses in a file, which C{node.reload} reads again::

        node = Node(reactor, gater=FileGater("blocked"))
        HangupService(reactor, node.reload).setServiceParent(node)

    A line is a peer id, a multiaddr, an IP address, or a network such as
    C{192.0.2.0/24}; C{#} begins a comment.  Without the file nobody is blocked.

    @ivar path: the path of the file.
    """

    _log = Logger()

    def __init__(
        self,
        path: str | os.PathLike[str],
        allowed: Entry | Iterable[Entry] = (),
        only: bool = False,
    ) -> None:
        """
        Read the file.

        @param path: the path of the file.
        @param allowed: as for L{ListGater}.
        @param only: as for L{ListGater}.
        @raise ConfigurationError: the file cannot be read, or has a mistake.
        """
        super().__init__((), allowed, only)
        self.path = os.fspath(path)
        self.blocked = self._read()

    def reload(self) -> None:
        """
        Read the file again.  If it cannot be read, or has a mistake, that is logged,
        and the list stays as it was.
        """
        try:
            self.blocked = self._read()
        except ConfigurationError as error:
            self._log.error("the list stays as it was: {error}", error=error)
        else:
            self._log.info("{path} was read again", path=self.path)

    def _read(self) -> AddressList:
        try:
            with open(self.path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return AddressList()
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(f"{self.path}: {error}") from None
        blocked = AddressList()
        for number, line in enumerate(lines, 1):
            entry = line.partition("#")[0].strip()
            try:
                if entry:
                    blocked.add(entry)
            except ConfigurationError as error:
                raise ConfigurationError(f"{self.path}:{number}: {error}") from None
        return blocked
