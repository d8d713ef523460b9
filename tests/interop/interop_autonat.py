# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoNAT between ours and others, in both parts and versions, in a laboratory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted

from tests.interop.laboratory import play

#: The server, the client, the version, the router of the client, and the transport.
#: rust-libp2p (libp2p-autonat 0.16) gives no answer in its own time about a router that
#: drops the dial.
CELLS: list[Any] = [
    ("go", "ours", "2", "forwarding", "tcp"),
    ("go", "ours", "2", "closed", "tcp"),
    ("go", "ours", "2", "forwarding", "quic"),
    ("go", "ours", "2", "closed", "quic"),
    ("go", "ours", "1", "forwarding", "tcp"),
    ("go", "ours", "1", "closed", "tcp"),
    ("ours", "go", "2", "none", "tcp"),
    ("ours", "go", "1", "none", "tcp"),
    ("rust", "ours", "2", "forwarding", "tcp"),
    ("rust", "ours", "2", "resetting", "tcp"),
    ("rust", "ours", "2", "forwarding", "quic"),
    ("rust", "ours", "1", "resetting", "tcp"),
    ("ours", "rust", "2", "none", "tcp"),
    ("ours", "rust", "1", "none", "tcp"),
    ("js", "ours", "2", "forwarding", "tcp"),
    ("js", "ours", "2", "closed", "tcp"),
    ("ours", "js", "2", "none", "tcp"),
    ("ours", "js", "1", "none", "tcp"),
    # @libp2p/autonat 3.0.28 takes the connection on which it is asked for the one that
    # it has dialed, and closes it.
    pytest.param(
        ("js", "ours", "1", "forwarding", "tcp"),
        marks=pytest.mark.xfail(reason="js-libp2p hangs up"),
    ),
]

#: Seconds for a cell, and the start of its peers.
LIMIT = 240


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_autonat(
    command: Callable[[str], list[str]], cell: tuple[str, str, str, str, str]
) -> None:
    """
    The client finds out whether it can be dialed.
    """
    server, client, *_ = cell
    (other,) = {server, client} - {"ours"}
    command(other)
    await play("ask", *cell, limit=LIMIT)
