# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Modules that are loaded when they are used.

The command lines name every part of a node, and most nodes use few of them::

    with loadedOnUse():
        from twisted_libp2p.dht import service

    def dht():
        return service.KademliaDHT()  # the module is loaded here

For type checkers, and for the test of the order of rooms, these are ordinary imports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

__all__ = ["loadedOnUse"]


class _LazyFinder:
    """
    Finds modules as usual, and gives them a loader that waits.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Find a module.
        """
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def loadedOnUse() -> Iterator[None]:
    """
    Load each module that is imported in this block when one of its names is used first.

    Write C{from package import module}: C{from module import name} uses a name, and
    C{import package.module} asks for the state of a module that is there already.
    """
    finder = _LazyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
