# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a command line is read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from getopt import GetoptError, getopt, gnu_getopt
from math import inf
from typing import ClassVar

from twisted.python.usage import CoerceParameter, Options, UsageError

from twisted_libp2p import __version__

__all__ = ["CommandOptions", "byteCount", "seconds", "whole"]

_BYTES = re.compile(r"0*([1-9][0-9]{0,11})([kKmMgG]?)")

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def whole(least: int, most: float = inf) -> Callable[[str], int]:
    """
    Make the type of an option whose value is a whole number.

    @param least: the smallest valid number.
    @param most: the largest valid number.
    @return: converts a text to the number; raises C{ValueError} if it is invalid.
    """

    def understand(text: str) -> int:
        with suppress(ValueError):
            if least <= int(text) <= most:
                return int(text)
        bounds = f"from {least} up" if most == inf else f"from {least} to {most}"
        raise ValueError(f"{text!r} is not a whole number {bounds}")

    return understand


def seconds(text: str) -> float:
    """
    Convert the value of an option to a number of seconds.

    @raise ValueError: it is not a number, or not between 0 and a day.
    """
    with suppress(ValueError):
        if 0 < float(text) < 86400:
            return float(text)
    raise ValueError(f"{text!r} is not a number of seconds between 0 and a day")


def byteCount(text: str) -> int:
    """
    Convert the value of an option to a number of bytes.

    @raise ValueError: it is not a number, or not positive.
    """
    found = _BYTES.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a number of bytes, such as 500k or 2M")
    return int(found[1]) * _FACTORS[found[2].lower()]


class CommandOptions(Options):
    """
    A command line whose options may follow the operands, and which answers each
    mistake with the correct form.

    @cvar operands: the names of the arguments that are not options; all are required.
        The last one may be repeated if it ends in an ellipsis.
    """

    operands: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        # Twisted collects the options of a class once for each way to it.
        self.longOpt = list(dict.fromkeys(self.longOpt))

    def opt_version(self) -> None:
        """
        Display the version of twisted_libp2p and exit.
        """
        print(f"twisted_libp2p {__version__}")
        sys.exit(0)

    @property
    def example(self) -> str:
        """
        The correct form of the whole command; empty for a plugin of C{twist}.
        """
        if not isinstance(self.parent, CommandOptions):
            return ""
        return " ".join(
            ["libp2p", str(self.parent.subCommand), "[options]", *self.operands]
        )

    def getSynopsis(self) -> str:
        """
        Return the first line of the help.
        """
        if self.example:
            return f"Usage: {self.example}"
        return str(super().getSynopsis())

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line.

        @raise UsageError: it is invalid; the text shows the correct form.
        """
        given = list(sys.argv[1:] if options is None else options)
        if given[-2:-1] != ["--_shell-completion"]:
            given = self._checked(given)
        super().parseOptions(given)

    def _checked(self, given: list[str]) -> list[str]:
        """
        Check a command line.

        @return: the same with its options first.
        """
        tools = [name for name, *_ in getattr(self, "subCommands", ())]
        # The tool parses the options after its name.
        parse = getopt if tools else gnu_getopt
        try:
            found, operands = parse(given, self.shortOpt, self.longOpt)
        except GetoptError as error:
            raise UsageError(self._correct(error)) from None
        for option, value in found:
            self._coerce(option, value)
        found = self.complete(found)
        if tools:
            if operands and operands[0] not in tools:
                raise UsageError(
                    f"there is no tool {operands[0]!r}: choose from {', '.join(tools)}"
                )
            return given
        self.checkOperands(operands, {option for option, _ in found})
        flat = [
            part
            for option, value in found
            for part in ([option, value] if self._takesValue(option) else [option])
        ]
        return [*flat, "--", *operands]

    def complete(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """
        Return all options in use, with their values; by default the given ones.

        @param found: the given options, whose values are valid.
        """
        return found

    def checkOperands(self, given: list[str], options: set[str]) -> None:
        """
        Check that there are as many operands as there have to be.

        @param options: the given options, with their dashes.
        @raise UsageError: there are more, or less.
        """
        if options & {"--help", "--version"}:
            return
        missing = self.operands[len(given) :]
        if missing:
            be = "are" if len(missing) > 1 else "is"
            raise UsageError(f"{' and '.join(missing)} {be} missing: {self.example}")
        several = self.operands[-1:] and self.operands[-1].endswith("...")
        if len(given) > len(self.operands) and not several:
            usage = self.example or "every value needs its option, see --help"
            surplus = given[len(self.operands)]
            raise UsageError(f"there is no place for {surplus!r}: {usage}")

    def _takesValue(self, option: str) -> bool:
        """
        Return whether an option has a value.

        @param option: its name on the command line, with the dashes.
        """
        if option.startswith("--"):
            return f"{option[2:]}=" in self.longOpt
        return f"{option[1:]}:" in self.shortOpt

    def named(self, option: str) -> str:
        """
        Return the name under which C{usage} keeps an option.
        """
        name = option.lstrip("-")
        found: str = self.synonyms.get(name) or self.synonyms[name.replace("-", "_")]
        return found

    def _coerce(self, option: str, value: str) -> None:
        """
        Check the value of an option.

        @raise UsageError: the option has no such value.
        """
        if not value and self._takesValue(option):
            # Usually a variable of the shell that is not set.  Ignoring the option
            # would make a private network public.
            raise UsageError(self._wanted(option))
        dispatch = self._dispatch[self.named(option)]
        if isinstance(dispatch, CoerceParameter):
            try:
                dispatch.coerce(value)
            except ValueError as error:
                raise UsageError(f"{option}: {error}") from None

    def _wanted(self, option: str) -> str:
        """
        Return the text of the error that an option has no value.
        """
        return f"{option} needs a value: {self.meaningOf(option)}"

    def meaningOf(self, option: str) -> str:
        """
        Return the text of the help about an option.
        """
        name = self.named(option)
        meaning: str = self.docs.get(name) or getattr(self, f"opt_{name}").__doc__
        return meaning.strip()

    def _correct(self, error: GetoptError) -> str:
        """
        Return the text of the error that an option does not exist, with the most
        similar ones.
        """
        long = [name.rstrip("=") for name in self.longOpt]
        option = error.opt
        dashed = f"--{option}" if len(option) > 1 else f"-{option}"
        if "requires argument" in error.msg:
            return self._wanted(dashed)
        if "must not have" in error.msg:
            return f"{dashed} takes no value: write {dashed} alone"
        started = [name for name in long if len(option) > 1 and name.startswith(option)]
        close = started or get_close_matches(option, long, 3, 0.5)
        names = ", ".join(f"--{name}" for name in close or long)
        return f"there is no option {dashed}: choose from {names}"
