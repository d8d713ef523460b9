# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The conditions under which a node is ready to serve.
"""

from __future__ import annotations

from typing import NamedTuple

from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.node.life import Life
from twisted_libp2p.node.listeners import Listeners

__all__ = ["Condition", "conditions"]


class Condition(NamedTuple):
    """
    One of the conditions.

    @ivar name: the condition in one word.
    @ivar met: whether it is met.
    @ivar detail: the present state, or the reason why it is not met, in one line.
    """

    name: str
    met: bool
    detail: str


def conditions(
    life: Life, listeners: Listeners, peerstore: IPeerStore
) -> list[Condition]:
    """
    Look at the conditions: the node listens on all its addresses, its peerstore has
    loaded, and it neither drains nor stops.
    """
    return [
        _listening(life, listeners),
        _loaded(peerstore),
        Condition("life", life is Life.RUNNING, life.value),
    ]


def _listening(life: Life, listeners: Listeners) -> Condition:
    """
    Look whether each address to listen on has its listener.
    """
    if life not in (Life.STARTING, Life.RUNNING):
        return Condition("listening", False, "it listens no longer")
    if not listeners.requested:
        return Condition("listening", True, "on no address, as none was given")
    opened = [each.requested for each in listeners]
    names: dict[bool, list[str]] = {True: [], False: []}
    for each in listeners.requested:
        names[each in opened].append(str(each))
    parts = [
        f"{words} {', '.join(found)}"
        for words, found in (("on", names[True]), ("not yet on", names[False]))
        if found
    ]
    return Condition("listening", not names[False], "; ".join(parts))


def _loaded(peerstore: IPeerStore) -> Condition:
    """
    Look whether the peerstore has loaded, without waiting for it.
    """
    outcomes: list[object] = []
    loading = peerstore.whenLoaded()
    loading.addCallbacks(
        lambda _: outcomes.append("loaded"),
        lambda reason: outcomes.append(reason.getErrorMessage()),
    )
    if not outcomes:
        loading.cancel()
        return Condition("peerstore", False, "not loaded yet")
    (outcome,) = outcomes
    return Condition("peerstore", outcome == "loaded", str(outcome))
