# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Who takes part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tests.interop.peers.build import BuildFailed, available, build

__all__ = ["NAMES", "OURS", "Contender", "gather"]

#: All that can take part; tables have them in this order.
NAMES = ("ours", "go", "rust", "js", "py", "raw", "tls")

#: Those without libp2p, which have no connections to upgrade and no streams.
PLAIN = ("raw", "tls")


@dataclass(frozen=True)
class Contender:
    """
    A program that can be measured.

    @ivar name: one of L{NAMES}.
    @ivar command: the first part of the command line that starts it.
    """

    name: str
    command: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """
        Whether it is without libp2p.
        """
        return self.name in PLAIN

    def options(self, stack: str, crowd: int | None) -> list[str]:
        """
        Give the options of a listener or a dialer.

        @param stack: the security protocol and the muxer, with a plus between, and
            before them the transport, unless it is TCP; or a transport that has
            both by itself.
        @param crowd: how many connections, or streams on one, it has to bear;
            ours has to be told, the others have no limits.
        """
        match stack.split("+"):
            case [transport]:
                options = ["--transport", transport]
            case [*transports, security, muxer]:
                options = ["--security", security, "--muxer", muxer]
                for each in transports:
                    options += ["--transport", each]
        if crowd is not None and self.name == "ours":
            options += ["--crowd", str(crowd)]
        return options


def _here(name: str) -> Contender:
    """
    Give one of the programs of this package.
    """
    return Contender(name, (sys.executable, "-m", "benchmarks.peers", name))


#: Our own.
OURS = _here("ours")


def gather(names: Iterable[str]) -> tuple[list[Contender], list[str]]:
    """
    Build what has to be built.

    @return: who can take part, and a line for each that cannot.
    """
    found, notes = [], []
    for name in names:
        if name == OURS.name or name in PLAIN:
            found.append(_here(name))
            continue
        reason = available(name)
        if reason is None:
            try:
                found.append(Contender(name, tuple(build(name))))
            except BuildFailed as error:
                reason = str(error)
        if reason is not None:
            notes.append(f"{name}: not built: {reason}")
    return found, notes
