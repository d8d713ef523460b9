# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Inputs worth to begin with: one file for each target, one input in each line, in
hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["load", "save"]

_FOLDER = Path(__file__).with_name("corpus")


def load(name: str) -> list[bytes]:
    """
    Give the inputs of one target.
    """
    return [bytes.fromhex(line) for line in _path(name).read_text().splitlines()]


def save(name: str, inputs: Iterable[bytes]) -> None:
    """
    Replace the inputs of one target.
    """
    lines = sorted({each.hex() for each in inputs}, key=lambda line: (len(line), line))
    _FOLDER.mkdir(exist_ok=True)
    _path(name).write_text("".join(f"{line}\n" for line in lines))


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.hex"
