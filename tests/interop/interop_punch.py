# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Holes that are punched between ours and others, in both roles, through the routers of a
laboratory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.lab.case import missing
from tests.tun import NAMESPACE

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
def test_punch(command: Callable[[str], list[str]], cell: tuple[str, str, str]) -> None:
    """
    Two peers behind routers get a direct connection.
    """
    listener, dialer, transport = cell
    (other,) = {listener, dialer} - {"ours"}
    command(other)
    reason = missing()
    if reason is not None:
        if "lab" in os.environ.get("LIBP2P_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [
            *NAMESPACE,
            *(sys.executable, "-m", "tests.lab.meet"),
            *(listener, dialer, dialer, transport, *ROUTERS),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
