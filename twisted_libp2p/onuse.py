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
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    # The import system only calls the methods of a loader, and loading importlib.abc
    # takes a tenth of the time of libp2p id.
    Loader = object

__all__ = ["loadedOnUse"]


class _Waiting(ModuleType):
    """
    A module that is not executed yet.

    L{importlib.util.LazyLoader} executes a package when its path is read.  The import
    system reads it for a module that it did not find, and then executes this module
    although the package has just imported it.  Here the path can be read.
    """

    def __getattr__(self, name: str) -> Any:
        """
        Execute the module, which has no such name yet.
        """
        spec = self.__spec__
        assert spec is not None and spec.loader is not None
        self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            spec.loader.exec_module(self)
        except BaseException:
            self.__class__ = _Waiting
            raise
        return self.__getattribute__(name)


class _WaitingLoader(Loader):
    """
    Makes modules, and leaves their execution to their first use.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """
        Make the module as usual.
        """
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """
        Let the module wait.
        """
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        module.__class__ = _Waiting


class _WaitingFinder:
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
            spec.loader = _WaitingLoader(spec.loader)
        return spec


@contextmanager
def loadedOnUse() -> Iterator[None]:
    """
    Load each module that is imported in this block when one of its names is used first.

    Write C{from package import module}: C{from module import name} uses a name, and
    C{import package.module} asks for the state of a module that is there already.
    """
    finder = _WaitingFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
