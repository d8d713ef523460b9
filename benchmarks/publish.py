# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Make of figures what the manual shows::

    python -m benchmarks.publish docs/performance

takes C{run.json} there, which C{make bench JSON=} has written on this machine,
and writes C{figures.inc} and C{plot.svg} beside it.  For topics::

    make bench ONLY=topics JSON=docs/performance/topics.json
    python -m benchmarks.publish docs/performance topics

writes C{topics.inc}.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

from benchmarks import rows, table
from benchmarks.plot import svg
from tests.interop.peers.toolchain import findTool

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


def figures(measured: Sequence[rows.Row], target: Path) -> None:
    """
    Write the table.
    """
    lines = [f"Machine: {'; '.join(machine())}.", "", ".. code-block:: text"]
    lines += [f"   {line}".rstrip() for line in table.lines(measured)]
    target.write_text("\n".join(lines) + "\n")


def main(folder: Path, name: str = "run") -> None:
    """
    Write the table of a run, and of the usual run the picture too.
    """
    measured = rows.load(folder / f"{name}.json")
    if name == "run":
        figures(measured, folder / "figures.inc")
        (folder / "plot.svg").write_text(svg(measured))
    else:
        figures(measured, folder / f"{name}.inc")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
