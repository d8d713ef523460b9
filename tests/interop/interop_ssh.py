# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
OpenSSH through a tunnel, between two machines of the laboratory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pytest_twisted

from tests.lab.case import missing
from tests.lab.ssh import absent
from tests.needs import skipWithout
from tests.processes import outputOf


@pytest_twisted.ensureDeferred
async def test_ssh(tmp_path: Path) -> None:
    """
    The two commands of docs/howto/tunnels.rst lead to a shell, and copy a file.
    """
    reason = missing()
    if reason is not None:
        skipWithout("lab", reason)
    if absent is not None:
        pytest.skip(absent)
    folder = f"--temp-directory={tmp_path / 'trial'}"
    out, err, code = await outputOf(
        sys.executable, "-m", "twisted.trial", folder, "tests.lab.ssh"
    )
    assert code == 0, (out + err).decode()
