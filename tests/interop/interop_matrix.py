# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The matrix: every connection of L{tests.interop.matrix}.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.cells import Course, theyDial, weDial
from tests.interop.matrix import STACKS, Cell
from tests.interop.results import Results
from tests.interop.sides import Sides, requireBackend

Command = Callable[[str], list[str]]


@pytest.mark.parametrize("cell", STACKS, ids=lambda cell: cell.name)
@pytest_twisted.ensureDeferred
async def test_cell(
    command: Command, results: Results, sides: Sides, cell: Cell
) -> None:
    """
    A connection comes about as it was asked for, and every task is done on it.
    """
    requireBackend(cell.backend)
    course = Course(reactor, cell, results, sides)
    run = weDial if cell.direction == "we dial" else theyDial
    await run(reactor, command(cell.peer), cell, course)
    course.check()
