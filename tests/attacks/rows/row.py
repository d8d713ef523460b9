# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One row of the table of attacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.attacks.arena import Arena

__all__ = ["EVERYBODY", "NOBODY", "Row"]

#: Peers that have no mplex, or whatever else a row needs, are not asked.
EVERYBODY = ("go", "js", "py", "rust")
NOBODY = ()


@dataclass(frozen=True)
class Row:
    """
    An attack.

    @ivar name: the attacked room and the attack, with a dot between them.
    @ivar tried: the attacker's actions, in words.
    @ivar attack: the function that plays the row.
    @ivar number: the number of the row in the first table, which had numbers
        alone; 0 for a row that came later.
    @ivar memory: by how many MiB the node may grow meanwhile.
    @ivar once: whether the second time would not be as the first.
    @ivar long: about how many seconds it mostly waits, beside others; 0 if it does
        not.
    @ivar others: the foreign peers that it can be played against.
    @ivar options: what those have to be started with.
    @ivar network: whether it needs more addresses than loopback has, and so a
        network of its own.
    @ivar node: what a node of ours is started with.
    @ivar private: whether the node belongs to a private network.
    """

    name: str
    tried: str
    attack: Callable[[Arena], None]
    number: int = 0
    memory: int = 16
    once: bool = False
    long: int = 0
    others: tuple[str, ...] = EVERYBODY
    options: tuple[str, ...] = ()
    network: bool = False
    node: tuple[str, ...] = ()
    private: bool = False

    @property
    def label(self) -> str:
        """
        The name, with the number where the row has one.
        """
        return f"{self.name} ({self.number})" if self.number else self.name
