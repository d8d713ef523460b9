# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The option by which a node logs more, or less, of some of its parts.
"""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar

from twisted.logger import LogLevel

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import setLevels
from twisted_libp2p.options.command import CommandOptions

__all__ = ["LogOptions"]

_LEVELS = {each.name: each for each in LogLevel.iterconstants()}

#: The option of C{twist}; C{twistd} has none, and logs everything.
_TWIST = "logLevel"


def _parts() -> list[str]:
    """
    Return the names of the parts that have levels: the rooms of the package.
    """
    package = Path(__file__).parents[1]
    return [each.name for each in iter_modules([str(package)]) if each.ispkg]


class LogOptions(CommandOptions):
    """
    The levels from which events are logged.
    """

    optParameters: ClassVar[list[Any]] = [
        ["log-level", None, None, "what to log, by part: info,relay=debug"],
    ]

    def setLogLevels(self) -> None:
        """
        Log events of the levels that the option names; events of lower levels are not
        even made.

        @raise ConfigurationError: it names no level, or no part.
        """
        usual = LogLevel.debug
        if self.parent is not None and _TWIST in self.parent:
            usual = self.parent[_TWIST]
        levels = {"": usual}
        for item in (self["log-level"] or usual.name).split(","):
            part, _, level = item.strip().rpartition("=")
            if level not in _LEVELS:
                raise ConfigurationError(
                    f"--log-level {item}: there is no level {level!r}: choose from"
                    f" {', '.join(_LEVELS)}"
                )
            if part and part.partition(".")[0] not in _parts():
                raise ConfigurationError(
                    f"--log-level {item}: there is no part {part!r}: choose from"
                    f" {', '.join(_parts())}"
                )
            levels[part] = _LEVELS[level]
        setLevels(levels)
        if self.parent is not None and _TWIST in self.parent:
            # Its filter comes after ours.
            self.parent[_TWIST] = min(levels.values())
