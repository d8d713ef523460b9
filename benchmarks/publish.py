# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Make of figures what the manual shows::

    python -m benchmarks.publish docs/performance

takes C{run.json} there, which C{make bench JSON=} has written on this machine,
and writes C{figures.inc} and C{plot.svg} beside it.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

from benchmarks import rows, table
from benchmarks.plot import svg
from tests.interop.peers.build import findTool

__all__ = ["main"]


def machine() -> Iterator[str]:
    """
    Describe this machine, and the software that counts.
    """
    told = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    yield f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"
    yield f"{platform.system()} {platform.release()}"
    yield f"Python {platform.python_version()}"
    for package in ("Twisted", "cryptography", "pyOpenSSL"):
        yield f"{package} {version(package)}"
    yield backend.openssl_version_text()
    node = findTool("node")
    if node is not None:
        told = subprocess.check_output([node, "--version"], text=True)
        yield f"Node {told.strip()}"
    yield f"load average {os.getloadavg()[2]:.1f} in the quarter of an hour before"


def main(folder: Path) -> None:
    """
    Write both.
    """
    measured = rows.load(folder / "run.json")
    lines = [f"Machine: {'; '.join(machine())}.", "", ".. code-block:: text"]
    lines += [f"   {line}".rstrip() for line in table.lines(measured)]
    (folder / "figures.inc").write_text("\n".join(lines) + "\n")
    (folder / "plot.svg").write_text(svg(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
