# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Inputs worth to begin with: one file for each target, one input in each line, in
hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

__all__ = ["inputs", "load", "save"]

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


def inputs(name: str, runs: int) -> Iterator[bytes]:
    """
    Give the inputs of one target, and what comes of them by accident: always the
    same.

    @param runs: how many there are besides the kept ones.
    """
    kept = load(name)
    assert kept, f"{name} has no corpus"
    yield from (b"", *kept)
    random = Random(name)
    for _ in range(runs):
        yield _mutate(random, kept)


def _mutate(random: Random, inputs: list[bytes]) -> bytes:
    """
    Make a new input of old ones.
    """
    data = bytearray(random.choice(inputs))
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0 if data:
                data[place - 1] ^= 1 << random.randrange(8)
            case 1 if data:
                data[place - 1] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[place:place] = random.randbytes(random.choice((1, 2, 8)))
            case 3:
                del data[place : place + random.choice((1, 2, 8))]
            case 4:
                other = random.choice(inputs)
                data[place:] = other[random.randrange(len(other) + 1) :]
            case _:
                end = place + random.choice((1, 4, 12))
                data[end:end] = data[place:end]
    return bytes(data)


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.hex"
