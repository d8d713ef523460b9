# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The programs that build the test peers: where they are, and whether they are new enough.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "BuildFailed",
    "findTool",
    "missingTool",
    "requiredTool",
    "runStep",
    "succeeds",
]

BUILD_LIMIT = 2700
ASK_LIMIT = 30
TOLD_AT_MOST = 4000

# A Go toolchain that is too old would otherwise fetch a newer one by itself.
ENVIRONMENT = {"GOTOOLCHAIN": "local"}


class BuildFailed(Exception):
    """
    A peer could not be built, although its toolchain is there.
    """


def findTool(name: str) -> str | None:
    """
    Find a program on the path, or where its installer puts it.

    @param name: the name of the program
    @return: its path, or C{None}
    """
    if name == "node" and (told := os.environ.get("NODE")):
        return told
    usual = {"go": "/usr/local/go/bin", "cargo": str(Path.home() / ".cargo" / "bin")}
    return shutil.which(name) or shutil.which(name, path=usual.get(name, ""))


def requiredTool(name: str) -> str:
    """
    Find a program that has to be there.

    @param name: the name of the program
    @return: its path
    @raise BuildFailed: it is not there
    """
    found = findTool(name)
    if found is None:
        raise BuildFailed(f"{name} was not found")
    return found


def missingTool(name: str, arguments: Sequence[str], wanted: str) -> str | None:
    """
    Ask a program whether it is there and new enough.

    @param name: the name of the program
    @param arguments: what makes it print its version
    @param wanted: the oldest version that will do
    @return: C{None} if it will do, or why not
    """
    path = findTool(name)
    if path is None:
        return f"{name} was not found"
    try:
        told = subprocess.run(
            [path, *arguments],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_LIMIT,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"{name} does not run: {error}"
    version = re.search(r"\d+(\.\d+)*", told)
    if version is None or _numbers(version[0]) < _numbers(wanted):
        return f"{name} {wanted} or newer is needed, this is {told}"
    return None


def succeeds(command: Sequence[str], text: str) -> bool:
    """
    Ask a program a question that it answers by its exit status.

    @param command: the program and its arguments
    @param text: what it is given to read
    @return: whether it said yes
    """
    try:
        answer = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=ASK_LIMIT
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


def _numbers(version: str) -> tuple[int, ...]:
    """
    @param version: numbers between dots
    @return: the numbers
    """
    return tuple(int(number) for number in version.split("."))


def runStep(command: Sequence[str], directory: Path) -> None:
    """
    Run one step of a build.

    @param command: the program and its arguments
    @param directory: where to run it
    @raise BuildFailed: it failed, or took too long
    """
    try:
        subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_LIMIT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = error.stdout[-TOLD_AT_MOST:]
        raise BuildFailed(f"{shlex.join(command)} failed:\n{said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"{shlex.join(command)} failed: {error}") from error
