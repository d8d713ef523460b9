# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The progress of a transfer: a bar on a terminal, otherwise a line for each tenth.
"""

from __future__ import annotations

from typing import TextIO

from twisted.internet.interfaces import IReactorTime

__all__ = ["Progress", "sizeText"]

#: Seconds between two changes of the bar.
INTERVAL = 0.2

#: Number of characters of the bar.
WIDTH = 30

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def sizeText(size: float) -> str:
    """
    Return a number of bytes as people read it.
    """
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


class Progress:
    """
    Shows how much of a file is there.
    """

    def __init__(
        self, clock: IReactorTime, stream: TextIO, name: str, total: int
    ) -> None:
        """
        @param stream: a terminal, or a file.
        @param name: the name of the file.
        @param total: its size, in bytes.
        """
        self._clock = clock
        self._stream = stream
        self._name = name
        self._total = total
        self._terminal = stream.isatty()
        # The time and the size at the beginning.
        self._start: tuple[float, int] | None = None
        self._shown: float | None = None
        self._tenth = 0

    def update(self, done: int) -> None:
        """
        Show the number of bytes that are there, unless that was done just now.
        """
        now = self._clock.seconds()
        if self._start is None:
            self._start = now, done
            self._tenth = self._tenthOf(done)
        if not self._terminal:
            if self._tenthOf(done) > self._tenth:
                self._tenth = self._tenthOf(done)
                self._write(f"{self._name}: {self._text(done)}\n")
        elif (
            self._shown is None or now - self._shown >= INTERVAL or done == self._total
        ):
            self._shown = now
            full = WIDTH * done // (self._total or 1)
            bar = "#" * full + "." * (WIDTH - full)
            self._write(f"\r\x1b[K{self._name} [{bar}] {self._text(done)}")

    def close(self) -> None:
        """
        End the line of the bar.
        """
        if self._terminal and self._shown is not None:
            self._shown = None
            self._write("\n")

    def _tenthOf(self, done: int) -> int:
        return 10 * done // (self._total or 1)

    def _text(self, done: int) -> str:
        """
        Return the share, the size and the rate.
        """
        assert self._start is not None
        begun, before = self._start
        seconds = self._clock.seconds() - begun
        share = 100 * done // (self._total or 1)
        text = f"{share} % of {sizeText(self._total)}"
        if seconds > 0 and done > before:
            text += f", {sizeText((done - before) / seconds)}/s"
        return text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
