# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Runs every target: with its corpus, and with what comes of it by accident.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS

#: How many inputs are tried, besides the corpus.
RUNS = 200 * int(os.environ.get("EXAMPLES", "1"))


def mutate(random: Random, inputs: list[bytes]) -> bytes:
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


class TargetTests(SynchronousTestCase):
    """
    Nothing is wrong with any of these inputs.
    """

    def attack(self, name: str) -> None:
        """
        Run one target.
        """
        kept = corpus.load(name)
        self.assertTrue(kept, f"{name} has no corpus")
        random = Random(name)
        made = (mutate(random, kept) for _ in range(RUNS))
        for data in (b"", *kept, *made):
            try:
                TARGETS[name](data)
            except Exception as error:
                error.add_note(f"{name}: {data.hex()}")
                raise


def _test(name: str) -> Callable[[TargetTests], None]:
    def test(self: TargetTests) -> None:
        self.attack(name)

    test.__doc__ = TARGETS[name].__doc__
    return test


for each in TARGETS:
    setattr(TargetTests, f"test_{each}", _test(each))
