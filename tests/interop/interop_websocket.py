# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tasks of the matrix over WebSocket, with every peer and in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.cells import Course, theyDial, weDial
from tests.interop.matrix import DIRECTIONS, PEERS, Cell
from tests.interop.results import Results
from twisted_libp2p.node import MUXERS, SECURITIES

Command = Callable[[str], list[str]]


def _cells() -> Iterator[Cell]:
    """
    Make one cell of each stack: with the muxer in the handshake, where the peer can.
    """
    for peer, direction, security, muxer in product(
        PEERS, DIRECTIONS, SECURITIES, MUXERS
    ):
        early = Cell(peer, direction, "ws", security, muxer, True)
        late = Cell(peer, direction, "ws", security, muxer, False)
        yield late if early.impossible else early


@pytest.mark.parametrize("cell", tuple(_cells()), ids=lambda cell: cell.name)
@pytest_twisted.ensureDeferred
async def test_webSocket(command: Command, cell: Cell) -> None:
    """
    A connection comes about as it was asked for, and every task is done on it.
    """
    # The table of the documentation has TCP alone.
    course = Course(reactor, cell, Results())
    run = weDial if cell.direction == "we dial" else theyDial
    await run(reactor, command(cell.peer), cell, course)
    course.check()
