# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers of all implementations on one local network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
import pytest_twisted

from tests.interop.neighbours import EXPECTED, PEERS
from tests.processes import outputOf
from tests.tun import NAMESPACE, missing

Command = Callable[[str], list[str]]


@pytest_twisted.ensureDeferred
async def test_mdns(command: Command) -> None:
    """
    Our node and each other one find each other, and the others as far as they can.
    """
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    commands = {each: command(each) for each in PEERS if each != "ours"}
    arguments = [sys.executable, "-m", "tests.interop.neighbours", json.dumps(commands)]
    output, errors, status = await outputOf(*NAMESPACE, *arguments)
    assert status == 0, errors.decode()
    table = json.loads(output.splitlines()[-1])
    missed = {each: EXPECTED[each] - set(table[each]) for each in PEERS}
    assert not any(missed.values()), (missed, errors.decode())
