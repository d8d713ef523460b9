# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The program C{libp2p}: it loads only the modules that a tool needs.

The version and the ids of a key need neither a reactor nor a node, whose modules take
several times as long to load.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from twisted_libp2p import __version__

__all__ = ["idsOf", "oneLine", "script"]

#: The exit code of shells for programs whose output is no longer read.
_UNREAD = 141


def idsOf(path: str) -> dict[str, str]:
    """
    Return the peer id of a key in a file, by the name of each of its three spellings.

    @raise Libp2pError: it is not the file of a key.
    """
    peer = import_module("twisted_libp2p.identity").Identity.fromFile(path).peerID
    cids = {base: peer.toCID(base) for base in ("base32", "base36")}
    return {"peer": str(peer), **cids}


def script() -> None:
    """
    Run a tool.

    @raise SystemExit: as C{main} of C{twisted_libp2p.__main__} does.
    """
    arguments = sys.argv[1:]
    with oneLine(ValueError, OSError):
        match arguments:
            case ["--version"]:
                print(f"twisted_libp2p {__version__}", flush=True)
                return
            case ["id", path] if os.path.isfile(path):
                print(*idsOf(path).values(), sep="\n", flush=True)
                return
    import_module("twisted_libp2p.__main__").main(arguments)


@contextmanager
def oneLine(*errors: type[Exception]) -> Iterator[None]:
    """
    End the program with one line on stderr after an error.

    @raise SystemExit: with status 1, or 141 and without a line if its stdout is no
        longer read, as in C{libp2p peers ... | head}.
    """
    try:
        yield
    except BrokenPipeError:
        # Python would write the buffered output at the end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise SystemExit(_UNREAD) from None
    except errors as error:
        raise SystemExit(f"libp2p: {error}") from None
