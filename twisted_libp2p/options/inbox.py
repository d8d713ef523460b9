# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of a node that receives files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.python.usage import CompleteDirs, Completions

from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.command import byteCount, whole
from twisted_libp2p.options.tunnels import TunnelOptions
from twisted_libp2p.transfer.messages import PROTOCOL_ID

with loadedOnUse():
    from twisted_libp2p.transfer import inbox

__all__ = ["InboxOptions"]


class InboxOptions(TunnelOptions):
    """
    The folder for the files of peers, and its limits.
    """

    optParameters: ClassVar[list[Any]] = [
        ["receive", None, None, "receive files of peers into this folder"],
        ["receive-size", None, None, "maximum bytes of a file, such as 2G", byteCount],
        ["receive-files", None, None, "most files in that folder", whole(1)],
    ]
    compData = Completions(optActions={"receive": CompleteDirs()})

    @property
    def unforwarded(self) -> Sequence[str]:
        """
        The served protocols that C{--allow-for} may name, without C{--serve}.
        """
        return () if self["receive"] is None else (PROTOCOL_ID,)

    def inbox(self, access: AccessLists) -> inbox.Inbox | None:
        """
        Make the service that receives files; None without a folder for them.

        @param access: the lists of peers.
        @raise ConfigurationError: an option has no usable value.
        """
        folder = self["receive"]
        limits = {
            name: self[option]
            for name, option in (
                ("maxSize", "receive-size"),
                ("maxFiles", "receive-files"),
            )
            if self[option] is not None
        }
        if folder is None:
            if limits:
                raise ConfigurationError(
                    "--receive-size and --receive-files need --receive FOLDER"
                )
            return None
        if not os.path.isdir(folder):
            raise ConfigurationError(f"--receive {folder}: there is no such folder")
        allow = self.rules(access).get(PROTOCOL_ID)
        return inbox.Inbox(folder, allow, **limits)
