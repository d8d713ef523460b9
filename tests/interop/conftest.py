# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which foreign peers there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.interop.peers.build import available, build


@pytest.fixture(scope="session")
def command() -> Callable[[str], list[str]]:
    """
    Give what tells the command of a peer, or skips where there is none.
    """
    required = os.environ.get("LIBP2P_INTEROP_REQUIRE", "").split(",")

    def commandOf(name: str) -> list[str]:
        missing = available(name)
        if missing is None:
            return build(name)
        if name in required:
            pytest.fail(f"the {name} peer is required: {missing}")
        pytest.skip(f"no {name} peer: {missing}")

    return commandOf
