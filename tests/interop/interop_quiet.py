# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections that nobody uses for a while: L{tests.interop.idle}.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.cells import Course
from tests.interop.idle import Idlers
from tests.interop.matrix import STACKS, Cell
from tests.interop.results import Results
from tests.interop.sides import Sides, requireBackend

Command = Callable[[str], list[str]]


@pytest.mark.parametrize("cell", STACKS, ids=lambda cell: cell.name)
@pytest_twisted.ensureDeferred
async def test_idle(
    command: Command, results: Results, sides: Sides, idlers: Idlers, cell: Cell
) -> None:
    """
    A connection that nobody uses is there when somebody does again.
    """
    command(cell.peer)
    requireBackend(cell.backend)
    course = Course(reactor, cell, results, sides)
    await course.do("idle", idlers.of(cell))
    course.check()
