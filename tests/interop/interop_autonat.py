# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoNAT between ours and others, in both parts and versions, in a laboratory.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.laboratory import play

#: The server, the client, the version, the router of the client, and the transport.
CELLS = [
    ("go", "ours", "2", "forwarding", "tcp"),
    ("go", "ours", "2", "closed", "tcp"),
    ("go", "ours", "2", "forwarding", "quic"),
    ("go", "ours", "2", "closed", "quic"),
    ("go", "ours", "1", "forwarding", "tcp"),
    ("go", "ours", "1", "closed", "tcp"),
    ("ours", "go", "2", "none", "tcp"),
    ("ours", "go", "1", "none", "tcp"),
]

#: Seconds for a cell, and the start of its peers.
LIMIT = 240


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_autonat(
    command: Callable[[str], list[str]], cell: tuple[str, str, str, str, str]
) -> None:
    """
    The client finds out whether it can be dialed.
    """
    server, client, *_ = cell
    (other,) = {server, client} - {"ours"}
    command(other)
    play("ask", *cell, limit=LIMIT)
