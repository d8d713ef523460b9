# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The files and lists that a running daemon reads again.
"""

from __future__ import annotations

from typing import Final

from twisted.python.usage import UsageError

from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.connmanager.gater import AddressList, ListGater
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger
from twisted_libp2p.node import Node
from twisted_libp2p.options.daemon import Options
from twisted_libp2p.protocols.listed import ListedService

__all__ = ["RELOADED", "Reloading"]

#: The options that change while the node runs.
RELOADED: Final = frozenset({"allow", "allow-for", "block"})


class Reloading:
    """
    Reads the files of a node again: certificates, groups, paired peers, and of the
    file of settings the lists of peers.

    Open connections and streams go on.
    """

    _log = Logger()

    def __init__(
        self, node: Node, options: Options, access: AccessLists, gater: ListGater
    ) -> None:
        """
        @param options: the options with which the node was started.
        @param access: decides which peers may use a protocol.
        @param gater: decides which peers are let in.
        """
        self._node = node
        self._options = options
        self._access = access
        self._gater = gater

    def __call__(self) -> None:
        """
        Read the files.  One with a mistake is logged, and changes no list; the files
        after it are not read.
        """
        self._node.reload()
        try:
            self._access.reload()
            if self._options["config"] is not None:
                self._reread()
        except (ConfigurationError, UsageError) as error:
            self._log.error("the lists stay as they were: {error}", error=error)

    def _reread(self) -> None:
        """
        Read the file of settings.

        @raise ConfigurationError: it has a mistake.
        """
        options = self._options.reread()
        changed = self._options.changed(options)
        later = ", ".join(sorted(changed - RELOADED))
        if later:
            self._log.warn(
                "these settings change at the next start: {names}", names=later
            )
        # Nothing changes before all of it is known to be right.
        blocked, allowed = AddressList(options["block"]), AddressList(options["allow"])
        rules = options.rules(self._access)
        gater = self._gater
        gater.blocked, gater.allowed = blocked, allowed
        gater.only = bool(options["allow"])
        for each in self._node.services:
            if isinstance(each, ListedService):
                each.replace(rules.get(each.protocol))
        self._log.info(
            "the lists of {path} were read again", path=self._options["config"]
        )
