# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Make texts of strangers fit for a log, a terminal and a page.

A peer chooses the protocol ids, names and reasons that it sends, and they end up
in errors, log lines and the output of tools.  A line end in one of them forges a
log entry, an escape sequence commands a terminal, and a character that changes
the direction of writing lets text look like another one.  All of them pass
through L{printable}: errors do it themselves when they are shown.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

__all__ = ["MAX_TEXT", "brief", "printable"]

#: Maximum number of characters that are shown of one text.
MAX_TEXT: Final = 1024


def printable(text: str, most: int = MAX_TEXT, hidden: str | None = None) -> str:
    """
    Replace characters of a text that are invisible, or that change how others are
    shown: control characters, line ends, escape sequences, marks and
    overrides of direction, halves of surrogate pairs.

    @param most: the maximum number of characters of the result; a longer text ends
        with an ellipsis.
    @param hidden: the replacement of each such character; by default its escape
        sequence in Python, such as C{\\x1b}.
    """
    if len(text) <= most and text.isprintable():
        return text
    # Removing characters may shorten the text, so more of it is read then.
    seen = text[: most + 1] if hidden != "" else text[: 4 * most + 1]
    cut = len(seen) < len(text)
    if not seen.isprintable():
        seen = "".join(
            [
                each
                if each.isprintable()
                else each.encode("unicode_escape").decode("ascii")
                if hidden is None
                else hidden
                for each in seen
            ]
        )
    if cut or len(seen) > most:
        seen = seen[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return seen


def brief(instance: Any) -> str:
    """
    Return the C{repr} of a dataclass that may hold texts of a peer, cut off after
    L{MAX_TEXT} characters.
    """
    fieldTexts = ", ".join(
        f"{each.name}={getattr(instance, each.name)!r}"
        for each in fields(instance)
        if each.repr
    )
    return printable(f"{type(instance).__qualname__}({fieldTexts})")
