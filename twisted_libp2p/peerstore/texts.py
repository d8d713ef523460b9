# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The texts of peers in a peerstore: equal texts are shared, and all are measured by the
memory that they take.
"""

from __future__ import annotations

from functools import lru_cache
from sys import getsizeof

__all__ = ["MAX_SHARED", "MAX_SIZE", "share", "weigh"]

#: The most texts that are kept to be shared, and the largest size of one, in bytes of
#: memory.  Most peers run one of a few programs; the names and protocols of these fit.
MAX_SHARED = 512
MAX_SIZE = 2048


def share(text: str) -> str:
    """
    Return an equal text that was given before, or the text itself.

    C{sys.intern} would do the same without a bound: CPython 3.12.0 to 3.12.6 never
    free an interned text.
    """
    return _shared(text) if getsizeof(text) <= MAX_SIZE else text


@lru_cache(MAX_SHARED)
def _shared(text: str) -> str:
    """
    Return the text in the cache; add this one if it is new.
    """
    return text


def weigh(text: str) -> int:
    """
    Return how many bytes of memory a text takes, including its UTF-8 form, which it
    holds from the moment when it is first written to a database.

    Each character takes one, two or four bytes, depending on the widest one.
    """
    if not text:
        return 0
    if text.isascii():
        return getsizeof(text)
    return getsizeof(text) + len(text.encode("utf-8", "surrogatepass"))
