# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The texts of peers that a peerstore keeps: equal ones are shared, and all are
reckoned by the memory that they take.
"""

from __future__ import annotations

from functools import lru_cache
from sys import getsizeof

__all__ = ["MAX_SHARED", "MAX_SIZE", "share", "weigh"]

#: How many texts are kept to be shared, and up to which size, in bytes of memory.
#: Most peers run one of a few programs; the names and protocols of these fit.
MAX_SHARED = 512
MAX_SIZE = 2048


def share(text: str) -> str:
    """
    Return the text itself, or an equal one that was here before.

    C{sys.intern} would do the same, but without a bound: CPython 3.12.0 to
    3.12.6 never frees a text that was interned.
    """
    return _shared(text) if getsizeof(text) <= MAX_SIZE else text


@lru_cache(MAX_SHARED)
def _shared(text: str) -> str:
    """
    Return the text that is in the cache, or put this one there.
    """
    return text


def weigh(text: str) -> int:
    """
    Return how many bytes of memory a text takes, or will take once a database has
    been given it: from then on it holds its UTF-8 form as well.

    Its characters have one, two or four bytes each, as the widest one needs.
    """
    if not text:
        return 0
    if text.isascii():
        return getsizeof(text)
    return getsizeof(text) + len(text.encode("utf-8", "surrogatepass"))
