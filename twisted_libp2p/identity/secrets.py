# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Files that hold a secret.
"""

from __future__ import annotations

import os
import stat

from twisted.logger import Logger

__all__ = ["readSecret"]

_log = Logger()


def readSecret(what: str, path: str | os.PathLike[str], most: int) -> bytes:
    """
    Read a file that nobody else ought to read; if others can, a warning says
    so.

    @param what: what the file is, for the warning.
    @param most: the size of the largest such file, in bytes.
    @return: the content; of a larger file, one byte more than C{most}.
    @raise OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(most + 1)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warn(
            "{what} {path} is open to others (mode {mode:o});"
            " it holds a secret: chmod 600.",
            what=what,
            path=os.fspath(path),
            mode=stat.S_IMODE(mode),
        )
    return content
