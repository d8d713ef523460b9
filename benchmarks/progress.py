# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is being done just now, for whoever waits.
"""

from __future__ import annotations

import sys
from typing import TextIO

__all__ = ["Progress"]


class Progress:
    """
    One line, which changes; without a terminal, one line for each thing.
    """

    def __init__(self, out: TextIO = sys.stderr) -> None:
        """
        Begin without a line.

        @param out: where it is shown.
        """
        self._out = out
        self._shown = 0
        self._what = ""

    def show(self, what: str, detail: str = "") -> None:
        """
        Say what is being done.

        @param what: the thing.
        @param detail: how far it is; only a terminal shows that.
        """
        if self._out.isatty():
            line = f"{what} {detail}"
            self._out.write("\r" + line.ljust(self._shown))
            self._shown = len(line)
        elif what != self._what:
            self._out.write(what + "\n")
        self._what = what
        self._out.flush()

    def clear(self) -> None:
        """
        Take the line away.
        """
        if self._shown:
            self._out.write("\r" + " " * self._shown + "\r")
            self._shown = 0
            self._out.flush()
