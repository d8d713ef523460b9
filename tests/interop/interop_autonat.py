# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoNAT between ours and others, in both parts and versions, in a laboratory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.lab.case import missing
from tests.tun import NAMESPACE

#: The server, the client, the version, and the router of the client.
CELLS = [
    ("go", "ours", "2", "forwarding"),
    ("go", "ours", "2", "closed"),
    ("go", "ours", "1", "forwarding"),
    ("go", "ours", "1", "closed"),
    ("ours", "go", "2", "none"),
    ("ours", "go", "1", "none"),
]

#: Seconds for a cell, and the start of its peers.
LIMIT = 240


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_autonat(
    command: Callable[[str], list[str]], cell: tuple[str, str, str, str]
) -> None:
    """
    The client finds out whether it can be dialed.
    """
    server, client, version, router = cell
    (other,) = {server, client} - {"ours"}
    command(other)
    reason = missing()
    if reason is not None:
        if "lab" in os.environ.get("LIBP2P_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [
            *NAMESPACE,
            *(sys.executable, "-m", "tests.lab.ask"),
            *(server, client, version, router),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
