# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The program C{libp2p}: it loads only the modules that a tool needs.

The version and the ids of a key need neither a reactor nor a node, whose modules take
several times as long to load.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from twisted_libp2p import __version__

__all__ = ["printIDs", "script"]


def printIDs(path: str) -> None:
    """
    Print the peer id of a key in a file, in its three spellings.

    @raise Libp2pError: it is not the file of a key.
    """
    peer = import_module("twisted_libp2p.identity").Identity.fromFile(path).peerID
    print(peer)
    print(peer.toCID("base32"))
    print(peer.toCID("base36"))


def script() -> None:
    """
    Run a tool.

    @raise SystemExit: as C{main} of C{twisted_libp2p.__main__} does.
    """
    match sys.argv[1:]:
        case ["--version"]:
            print(f"twisted_libp2p {__version__}")
        case ["id", path] if os.path.isfile(path):
            try:
                printIDs(path)
            except (ValueError, OSError) as error:
                raise SystemExit(f"libp2p: {error}") from None
        case _:
            import_module("twisted_libp2p.__main__").script()
