# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
All modules of the package, for tests that look at each.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import walk_packages
from types import ModuleType
from typing import Final

import twisted_libp2p

__all__ = ["allModules"]

#: Modules that need a package which the extra for tests does not install.
_NEEDS: Final = {
    "twisted_libp2p.quic.native": "twisted_libp2p_native",
    "twisted_libp2p.webrtc.machines": "twisted_libp2p_native",
}


def allModules() -> Iterator[ModuleType]:
    """
    Import each module of the package, but not the generated ones and the command line.
    """
    for found in walk_packages(twisted_libp2p.__path__, "twisted_libp2p."):
        if found.name.endswith(("_pb2", "__main__")):
            continue
        needed = _NEEDS.get(found.name)
        if needed is None or find_spec(needed) is not None:
            yield import_module(found.name)
