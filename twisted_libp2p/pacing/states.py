# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
States that go on by a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["stateAfter"]

State = TypeVar("State")


def stateAfter(
    table: Mapping[tuple[State, str], tuple[State, object]], state: State, event: str
) -> State:
    """
    Return the state after an event.

    @param table: the next state, and the effect of the transition, for each state and
        event.
    @return: the same state, if the event is not in the table.
    """
    following = table.get((state, event))
    return state if following is None else following[0]
