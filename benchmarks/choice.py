# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is to be measured.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["Choice", "NoSuchName"]


class NoSuchName(ValueError):
    """
    A word is part of no name.
    """


class Choice:
    """
    Some of the names of stacks and works, by words that are parts of them.

    @ivar stacks: those that are meant; all of them, if no word names one.
    @ivar works: the same of works; the usual ones, if no word names one.
    """

    def __init__(
        self,
        only: str,
        *,
        stacks: Collection[str],
        usual: Collection[str],
        special: Collection[str],
    ) -> None:
        """
        Read the names that the user has given.

        @param only: words, with commas between.
        @param stacks: the names of all stacks.
        @param usual: the names of works that are done unless told otherwise.
        @param special: the names of works that have to be asked for.
        @raise NoSuchName: a word is part of no name.
        """
        words = [word.strip() for word in only.split(",") if word.strip()]
        works = (*usual, *special)
        for word in words:
            if not any(word in name for name in (*stacks, *works)):
                raise NoSuchName(f"nothing is called {word!r}: {', '.join(works)}")
        self.stacks = _named(words, stacks) or list(stacks)
        self.works = _named(words, works) or list(usual)


def _named(words: Collection[str], names: Collection[str]) -> list[str]:
    return [name for name in names if any(word in name for word in words)]
