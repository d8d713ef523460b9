# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The parts of a command line that a shell can complete, read from the options themselves.

An option says in its class's C{compData}, as Twisted's L{usage.Options
<twisted.python.usage.Options>} do, which values it has: C{CompleteFiles},
C{CompleteDirs} or L{CompleteWords}.  The values of all others are not completed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from inspect import getmro
from typing import Any

from twisted.python.usage import (
    CompleteDirs,
    CompleteFiles,
    CompleteList,
    Completer,
    Completions,
)

from twisted_libp2p.options.command import CommandOptions

__all__ = ["Choice", "CompleteWords", "Tool", "Values", "toolsOf"]


class CompleteWords(CompleteList):
    """
    Complete one of some words.

    @ivar words: these words.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """
        @param words: the words.
        """
        self.words = tuple(words)
        super().__init__(self.words)


class Values(Enum):
    """
    The kind of a value that is not one of some words.
    """

    ANY = "any"
    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True)
class Choice:
    """
    An option.

    @ivar names: its names, with their dashes; the long one first.
    @ivar meaning: its line of the help.
    @ivar values: the kind of its values, or these words; None if it has no value.
    """

    names: tuple[str, ...]
    meaning: str
    values: Values | tuple[str, ...] | None


@dataclass(frozen=True)
class Tool:
    """
    A tool, with all that may follow its name.

    @ivar operand: the kind of its operands, or these words.
    """

    name: str
    meaning: str
    choices: tuple[Choice, ...]
    operand: Values | tuple[str, ...]


def toolsOf(tools: Iterable[Any]) -> Iterator[Tool]:
    """
    Go through the tools of a program.

    @param tools: the C{subCommands} of its options.
    """
    for name, _, make, meaning in tools:
        tool: CommandOptions = make()
        actions, operands = _actionsOf(tool)
        yield Tool(
            name,
            meaning,
            tuple(_choicesOf(tool, actions)),
            _valuesOf(operands[0] if operands else None),
        )


def _actionsOf(
    options: CommandOptions,
) -> tuple[dict[str, Completer], list[Completer]]:
    """
    Collect C{compData} of a class and its bases, as Twisted does.

    @return: the completers by the long name of the option, and those of the operands.
    """
    actions: dict[str, Completer] = {}
    operands: list[Completer] = []
    for kind in reversed(getmro(type(options))):
        data: Completions | None = vars(kind).get("compData")
        if data is not None:
            actions.update(data.optActions)
            operands = list(data.extraActions) or operands
    return actions, operands


def _choicesOf(
    options: CommandOptions, actions: dict[str, Completer]
) -> Iterator[Choice]:
    """
    Go through the options of a tool, in the order of their names.
    """
    short: dict[str, str] = {}
    for letter in options.shortOpt.replace(":", ""):
        short[options.named(letter)] = f"-{letter}"
    for long in sorted(set(options.longOpt)):
        name = long.rstrip("=")
        named = options.named(name)
        names = (f"--{name}", short[named]) if named in short else (f"--{name}",)
        values = _valuesOf(actions.get(name)) if long != name else None
        yield Choice(names, " ".join(options.meaningOf(name).split()), values)


def _valuesOf(action: Any) -> Values | tuple[str, ...]:
    """
    Return the kind of the values that a completer completes.
    """
    match action:
        case CompleteWords():
            return action.words
        case CompleteFiles():
            return Values.FILE
        case CompleteDirs():
            return Values.FOLDER
    return Values.ANY
