# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Holes that are punched between ours and others, in both roles, through the routers of a
laboratory.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted

from tests.interop.laboratory import play

#: The listener, the dialer and the transport.  The relay is that of the dialer.
CELLS = [
    (*players, transport)
    for other in ("go", "rust")
    for players in (("ours", other), (other, "ours"))
    for transport in ("tcp", "quic")
]

#: The routers of both.  rust-libp2p 0.57 does not state a port that its router has
#: chosen: it takes its own.
ROUTERS = ("independent", "independent")

#: Seconds for a meeting, and the start of its peers.
LIMIT = 180


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_punch(
    command: Callable[[str], list[str]], cell: tuple[str, str, str]
) -> None:
    """
    Two peers behind routers get a direct connection.
    """
    listener, dialer, transport = cell
    (other,) = {listener, dialer} - {"ours"}
    command(other)
    await play("meet", listener, dialer, dialer, transport, *ROUTERS, limit=LIMIT)
