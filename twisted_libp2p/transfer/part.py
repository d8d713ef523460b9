# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Files on the disk: their digests, and files that are not complete yet.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import IO, Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from twisted_libp2p.errors import TransferFailed
from twisted_libp2p.transfer.messages import Offer

__all__ = ["PART", "Part", "hashFile", "partName"]

#: Bytes that are read from a file at once.
READ_SIZE = 1 << 18

#: The names of files that are not complete.
PART = re.compile(r"\..+\.[0-9a-f]{16}\.part")


def partName(offer: Offer) -> str:
    """
    Return the name of a file that is not complete.  It has the beginning of the digest:
    only the same content is continued.
    """
    return f".{offer.name}.{offer.digest[:16]}.part"


async def hashFile(clock: IReactorTime, file: IO[bytes]) -> Any:
    """
    Read a file to its end, in steps between which the reactor runs.

    @return: the hash, which may be updated.
    @raise CancelledError: it was cancelled; nothing more is read.
    """
    hashed = sha256()

    def steps() -> Iterator[None]:
        while data := file.read(READ_SIZE):
            hashed.update(data)
            yield

    cooperator = Cooperator(scheduler=lambda step: clock.callLater(0, step))
    task = cooperator.cooperate(steps())
    try:
        await task.whenDone()
    except CancelledError:
        task.stop()
        raise
    return hashed


def nameFor(folder: str, name: str) -> tuple[str, str | None]:
    """
    Choose the name of a file in a folder: C{image.jpg}, or C{image (2).jpg} if there
    is one, and so on.

    @return: the name, and the last one before it, which is in use; None if the first
        name is free.
    @raise OSError: the folder cannot be used.
    """
    stem, ending = os.path.splitext(name)
    chosen, last, number = name, None, 1
    while os.path.lexists(os.path.join(folder, chosen)):
        last, number = chosen, number + 1
        chosen = f"{stem} ({number}){ending}"
    return chosen, last


class Part:
    """
    A file that is being received, in a hidden file of the same folder.

    @ivar size: the bytes that are there.
    """

    def __init__(self, folder: str, offer: Offer) -> None:
        """
        Open the file, or make it.

        @raise TransferFailed: the hidden name is in use for something else.
        @raise OSError: the folder cannot be used.
        """
        self._offer = offer
        self._folder = folder
        self._path = os.path.join(folder, partName(offer))
        if os.path.lexists(self._path) and not stat.S_ISREG(
            os.lstat(self._path).st_mode
        ):
            raise TransferFailed(f"{offer.name} cannot be written")
        # Without this mode the file could be executed.
        opened = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        self._file = os.fdopen(opened, "r+b")
        self.size = 0
        self._hash: Any = None
        # The name of a complete file with the same content.
        self._same: str | None = None

    async def resume(self, clock: IReactorTime) -> None:
        """
        Read the bytes that are there.  If the last file of this name has the offered
        content, none is missing: its sender has not got our answer.
        """
        _, last = nameFor(self._folder, self._offer.name)
        if last is not None and await self._isOffered(clock, last):
            self._same, self.size = last, self._offer.size
            return
        self._hash = await hashFile(clock, self._file)
        self.size = self._file.tell()
        if self.size > self._offer.size:
            self._file.seek(0)
            self._file.truncate()
            self._hash, self.size = sha256(), 0

    async def _isOffered(self, clock: IReactorTime, name: str) -> bool:
        """
        Return whether a file has the offered content.
        """
        path = os.path.join(self._folder, name)
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != self._offer.size:
            return False
        with open(path, "rb") as file:
            hashed = await hashFile(clock, file)
        return bool(hashed.hexdigest() == self._offer.digest)

    @property
    def missing(self) -> int:
        """
        The number of bytes that are missing.
        """
        return self._offer.size - self.size

    def write(self, data: bytes) -> None:
        """
        Add bytes.

        @raise TransferFailed: there are more than offered.
        @raise OSError: the disk is full.
        """
        if len(data) > self.missing:
            raise TransferFailed(f"over {self._offer.size} bytes, which were offered")
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """
        Give the file its name.

        @return: the name.
        @raise TransferFailed: bytes are missing, or are not those that were offered;
            such a file is removed.
        @raise OSError: the disk is full.
        """
        if self.missing:
            raise TransferFailed(f"{self.missing} bytes are missing")
        self._file.close()
        if self._same is not None:
            os.unlink(self._path)
            return self._same
        if self._hash.hexdigest() != self._offer.digest:
            os.unlink(self._path)
            raise TransferFailed("the SHA-256 is another one")
        name, _ = nameFor(self._folder, self._offer.name)
        os.rename(self._path, os.path.join(self._folder, name))
        return name

    def close(self) -> None:
        """
        Close the file.  Its bytes stay for the next time, except those for which a full
        disk has no room.
        """
        with suppress(OSError):
            self._file.close()
