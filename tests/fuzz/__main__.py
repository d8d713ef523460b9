# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Searches for inputs that break a target, guided by what the code does with them::

    python -m tests.fuzz                    names the targets
    python -m tests.fuzz yamux -runs=1000   takes the options of libFuzzer
    python -m tests.fuzz keep               adds what was found to the corpus

What reaches new code goes to C{build/fuzz/TARGET}, what breaks the target to
C{build/fuzz/TARGET-*}.  It needs atheris: C{pip install -e .[fuzz]}.  Targets that
compare with another implementation need its toolchain, and are not named without.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

from tests.fuzz import corpus
from tests.interop.peers.build import available

with atheris.instrument_imports(include=["twisted_libp2p"]):
    from tests.fuzz.targets import DIFFERENTIAL, TARGETS

_ALL = {**TARGETS, **DIFFERENTIAL}

_FOUND = Path("build/fuzz")

#: Bytes of an input, unless told otherwise, and seconds that it may take.
_OPTIONS = ["-max_len=600", "-timeout=10", "-rss_limit_mb=1024"]

#: What is kept for the suite: the shortest inputs of a target.
_KEPT = 60
_LONGEST = 400


def fuzz(name: str, options: list[str]) -> None:
    """
    Run one target, until it breaks or the options say that it is enough.
    """
    folder = _FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus.load(name)):
        (folder / f"kept-{number}").write_bytes(data)
    prefix = f"-artifact_prefix={_FOUND}/{name}-"
    atheris.Setup(["fuzz", *_OPTIONS, prefix, *options, str(folder)], _ALL[name])
    atheris.Fuzz()


def keep() -> None:
    """
    Put what was found into the corpus, as far as it is short.
    """
    for name in _ALL:
        found = [each.read_bytes() for each in (_FOUND / name).glob("*")]
        short = [data for data in found if len(data) <= _LONGEST]
        corpus.save(name, corpus.load(name) + sorted(short, key=len)[:_KEPT])


def names() -> list[str]:
    """
    Give the targets that can be run here.
    """
    missing = available("machines")
    if missing is None:
        return list(_ALL)
    print(f"{', '.join(DIFFERENTIAL)}: left out: {missing}", file=sys.stderr)
    return list(TARGETS)


def main(arguments: list[str]) -> None:
    """
    Do what is asked for.
    """
    logging.disable()
    match arguments:
        case []:
            print("\n".join(names()))
        case ["keep"]:
            keep()
        case [name, *options]:
            fuzz(name, options)


if __name__ == "__main__":
    main(sys.argv[1:])
