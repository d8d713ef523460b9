# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The folder in which a node receives files as long as it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.internet.task import LoopingCall
from zope.interface import implementer

from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.protocols.listed import ListedService
from twisted_libp2p.transfer.messages import PROTOCOL_ID, Offer
from twisted_libp2p.transfer.part import PART, partName
from twisted_libp2p.transfer.receiving import Receiver

__all__ = ["MAX_FILES", "MAX_FILE_SIZE", "PART_TIME", "Inbox"]

#: Maximum size of a file, in bytes.
MAX_FILE_SIZE: Final = 100_000_000

#: Number of files in the folder from which on no further one is received.
MAX_FILES: Final = 100

#: Seconds after its last byte for which an interrupted file is kept, to go on with.
PART_TIME: Final = 3600.0

#: Seconds between two searches for files that are kept too long.
SWEEP_TIME: Final = 600.0


@implementer(IHostService)
class Inbox(ListedService):
    """
    Receives files of permitted peers into a folder, whose growth has limits.
    """

    name = "inbox"

    def __init__(
        self,
        folder: str,
        allow: Callable[[PeerID], bool] | None = None,
        maxSize: int = MAX_FILE_SIZE,
        maxFiles: int = MAX_FILES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        @param folder: the folder of the files, which exists.
        @param allow: decides which peers may send files; None for all peers.
        @param maxSize: maximum size of a file, in bytes.
        @param maxFiles: maximum number of files in the folder, with the incomplete
            ones.
        @param wall: returns the seconds since 1970.
        """
        super().__init__(PROTOCOL_ID, allow)
        self.folder = folder
        self.maxSize = maxSize
        self.maxFiles = maxFiles
        self._wall = wall
        self._receiver = Receiver(folder, self._refusal, self._received)
        self._sweeping = LoopingCall(self._sweep)

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol.

        @raise ConfigurationError: it is served already.
        """
        self._sweeping.clock = host.clock
        self._receiver.attach(host)

    def startService(self) -> None:
        """
        Start to remove files that are kept too long.
        """
        super().startService()
        self._sweeping.start(SWEEP_TIME)

    def stopService(self) -> None:
        """
        Stop to remove files.
        """
        super().stopService()
        self._sweeping.stop()

    def _refusal(self, peer: PeerID, offer: Offer) -> str | None:
        """
        Return the reason to refuse a file; None if it is welcome.

        @raise OSError: the folder cannot be read.
        """
        if not self.allowed(peer):
            return "this peer may not send files here"
        if offer.size > self.maxSize:
            return f"a file may have at most {self.maxSize} bytes here"
        names = os.listdir(self.folder)
        if len(names) >= self.maxFiles and partName(offer) not in names:
            return f"there are {len(names)} files already, and no room for more"
        return None

    def _received(self, peer: PeerID, offer: Offer, name: str) -> None:
        self._log.info(
            "received the file {name}, {size} bytes, from {peer}",
            name=name,
            size=offer.size,
            peer=peer,
        )

    def _sweep(self) -> None:
        """
        Remove the incomplete files to which nothing was added for a long time, except
        those that are being received.
        """
        oldest = self._wall() - PART_TIME
        # A file may be removed by another program, or be held open by it.
        with suppress(OSError):
            parts = set(filter(PART.fullmatch, os.listdir(self.folder)))
            for name in parts - self._receiver.parts:
                path = os.path.join(self.folder, name)
                with suppress(OSError):
                    if os.lstat(path).st_mtime < oldest:
                        os.unlink(path)
