# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A command line that can be completed from a file of settings, in TOML.

The settings have the names of the options.  An option of the command line takes the
place of the same one in the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from json import dumps
from typing import Any, ClassVar, Self

from twisted.python.usage import UsageError

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.options.command import CommandOptions

__all__ = ["ConfigOptions", "readSettings", "writeSettings"]

#: The options that belong to the command line alone.
_OUTSIDE = {"config", "help", "print-config", "version"}


def readSettings(path: str) -> dict[str, Any]:
    """
    Read a file of settings.

    @raise ConfigurationError: it cannot be read, or is not TOML; one line.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        # tomllib names the line and the column.
        raise ConfigurationError(f"{path}: {error}") from None


def writeSettings(settings: Iterable[tuple[str, Any]]) -> str:
    """
    Return the text of a file of settings.

    @param settings: names, with true, a text, or a list of texts.
    """
    return "".join(f"{name} = {_toml(value)}\n" for name, value in settings)


def _toml(value: Any) -> str:
    """
    Write a value.
    """
    if value is True:
        return "true"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if value.isdecimal() and value.isascii() and str(int(value)) == value:
        return str(value)
    # JSON escapes all other characters that a string of TOML may not have.
    return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


class ConfigOptions(CommandOptions):
    """
    A command line with a file of settings.

    @cvar pairs: the options whose values have an equals sign.  In the file they may be
        tables.
    """

    pairs: ClassVar[frozenset[str]] = frozenset()

    optParameters: ClassVar[list[Any]] = [
        ["config", None, None, "file of settings, in TOML, with the names of options"]
    ]
    optFlags: ClassVar[list[Any]] = [
        ["print-config", None, "print all settings as such a file, and end"]
    ]

    def __init__(self) -> None:
        super().__init__()
        self._file: str | None = None
        self._given: list[str] = []
        self._settings: dict[str, list[str]] = {}

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line, and the file that it names.

        @raise SystemExit: the command line or the file has a mistake, which the text
            says; or the settings were printed.
        @raise UsageError: the command line has a mistake, and no program reads it.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            if self.parent is None:
                raise
            # C{twist} and C{twistd} would print all options too, a screen long.
            raise SystemExit(
                f"libp2p: {error}; twist libp2p --help lists all options"
            ) from None
        except ConfigurationError as error:
            # All options of the help would follow the text of a UsageError.
            raise SystemExit(f"libp2p: {error}") from None
        if self["print-config"]:
            print(writeSettings(self._inUse()), end="", flush=True)
            raise SystemExit(0)

    def reread(self) -> Self:
        """
        Read the file again.

        @return: the options of the same command line with the new file.
        @raise ConfigurationError: the file has a mistake.
        """
        again = type(self)()
        again.parent = self.parent
        # A daemon may have left the folder in which it was started.
        again._file = self._file
        CommandOptions.parseOptions(again, self._given)
        return again

    def changed(self, other: ConfigOptions) -> set[str]:
        """
        Return the names of the options in which two command lines differ.
        """
        ours, theirs = self._settings, other._settings
        return {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}

    def complete(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """
        Add the settings of the file to the options of the command line.

        @raise ConfigurationError: the file has a mistake.
        """
        self._given = [each for pair in found for each in pair if each]
        given = {self._plain(option) for option, _ in found}
        for option, value in found:
            if self._plain(option) == "config" and value and self._file is None:
                self._file = os.path.abspath(value)
        if self._file is not None:
            found = [
                *(
                    (f"--{name}", value)
                    for name, value in self._fromFile(self._file)
                    if name not in given
                ),
                *found,
            ]
        for option, value in found:
            name = self._plain(option)
            if name not in _OUTSIDE:
                self._settings.setdefault(name, []).append(value)
        return found

    def _plain(self, option: str) -> str:
        """
        Return the long name of an option, without its dashes.
        """
        return self.named(option).replace("_", "-")

    def _fromFile(self, path: str) -> Iterator[tuple[str, str]]:
        """
        Check a file of settings.

        @return: names of options with their values.
        @raise ConfigurationError: there is a mistake.
        """
        names = {each.rstrip("=") for each in self.longOpt} - _OUTSIDE
        for name, value in readSettings(path).items():
            if name in _OUTSIDE:
                raise ConfigurationError(
                    f"{path}: {name} is for the command line alone"
                )
            if name not in names:
                close = get_close_matches(name, names, 3, 0.5) or sorted(names)
                raise ConfigurationError(
                    f"{path}: there is no option {name}: choose from {', '.join(close)}"
                )
            try:
                for text in self._values(name, value):
                    self._coerce(f"--{name}", text)
                    yield name, text
            except (ConfigurationError, UsageError) as error:
                raise ConfigurationError(
                    f"{path}: {str(error).removeprefix('--')}"
                ) from None

    def _values(self, name: str, value: Any) -> list[str]:
        """
        Return the values of an option; a flag that is set has an empty one.

        @raise ConfigurationError: the setting has another type.
        """
        if f"{name}=" not in self.longOpt:
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name} has to be true or false")
            return [""] if value else []
        if not isinstance(self[name], list):
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ConfigurationError(f'{name} has to be one value: {name} = "..."')
            return [str(value)]
        if isinstance(value, dict) and name in self.pairs:
            return [f"{key}={_joined(name, each)}" for key, each in value.items()]
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(
            isinstance(each, str) for each in values
        ):
            raise ConfigurationError(
                f'{name} has to be a list of texts: {name} = ["...", "..."]'
            )
        return values

    def _inUse(self) -> Iterator[tuple[str, Any]]:
        """
        Return all settings, also the defaults, in alphabetical order.
        """
        for name in sorted({each.rstrip("=") for each in self.longOpt} - _OUTSIDE):
            values = self._settings.get(name)
            if values is None:
                default = self.defaults.get(name)
                if default:
                    yield name, str(default)
            elif f"{name}=" not in self.longOpt:
                yield name, True
            else:
                yield name, values if isinstance(self[name], list) else values[-1]


def _joined(name: str, value: Any) -> str:
    """
    Return the part after the equals sign.

    @raise ConfigurationError: it is neither a text nor a list of them.
    """
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(each, str) for each in parts):
        raise ConfigurationError(f"{name} has to be a table of texts, or lists of them")
    return ",".join(parts)
