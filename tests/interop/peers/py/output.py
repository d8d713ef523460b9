# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What this peer says: JSON lines on stdout, everything else on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

__all__ = ["leave", "log", "printLine", "reason"]


def printLine(line: dict[str, Any]) -> None:
    """
    Print one JSON line, whole and at once.
    """
    data = json.dumps(line).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def log(*parts: object) -> None:
    """
    Say something to whoever reads the log.
    """
    print("peer:", *parts, file=sys.stderr, flush=True)


def reason(error: BaseException) -> str:
    """
    Tell what an error says, led by the name of its class.

    Of errors that trio has put into a group, the first is told.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def leave(status: int) -> None:
    """
    End the process at once: leaving the host in order may hang for seconds.
    """
    sys.stderr.flush()
    os._exit(status)
