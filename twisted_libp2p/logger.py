# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The logger of this package: that of Twisted, whose fields are texts and numbers.

Twisted writes JSON logs (C{twist --log-format json}) with the fields of each event as
JSON, and C{{"unpersistable": true}} in place of any other object: a peer id, an address
or an error would be lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.logger import Logger as TwistedLogger
from twisted.logger import LogLevel, LogLevelFilterPredicate
from twisted.python.failure import Failure
from twisted.python.reflect import safe_str

__all__ = ["Logger", "setLevels"]

#: The beginning of the names of Twisted's own fields.
_OWN: Final = "log_"

#: The lowest level of the events that are logged, by the names of loggers.
_levels: Final = LogLevelFilterPredicate(LogLevel.debug)

#: The level for one logger: Twisted looks at each part of its name.
_levelOf: Final = lru_cache(1024)(_levels.logLevelForNamespace)

_PLAIN: Final = (str, int, float, type(None))

# The same, for a look-up that most fields end with.
_USUAL: Final = frozenset(_PLAIN)


def plain(value: object) -> str | int | float | None:
    """
    Return the value of a field as JSON has it: a number, or a text.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Failure):
        return value.getErrorMessage()
    # A subclass, such as the address of a peer, has a text of its own.
    if type(value) is IPv4Address:
        return f"{value.host}:{value.port}"
    if isinstance(value, IPv6Address):
        return f"[{value.host}]:{value.port}"
    if isinstance(value, UNIXAddress) and value.name is not None:
        return os.fsdecode(value.name)
    return safe_str(value)


def setLevels(levels: Mapping[str, LogLevel]) -> None:
    """
    Log only the events from some levels on; without a level all events are logged.

    @param levels: the lowest level of the events of a part of this package, such as
        C{relay} or C{muxer.yamux}; C{""} stands for all other parts.
    """
    _levels.clearLogLevels()
    for part, level in levels.items():
        name = f"twisted_libp2p.{part}" if part else ""
        _levels.setLogLevelForNamespace(name, level)
    _levelOf.cache_clear()


class Logger(TwistedLogger):
    """
    Logs events whose fields are texts and numbers.
    """

    def logs(self, level: LogLevel) -> bool:
        """
        Return whether events of a level are logged: some fields take time to make.
        """
        return not level < _levelOf(self.namespace)

    def emit(self, level: LogLevel, format: str | None = None, **fields: Any) -> None:
        """
        Log an event.

        @param level: its level.
        @param format: the text, with the names of fields in braces.
        @param fields: the fields.  Those of Twisted, such as the failure of an error,
            keep their values.
        """
        if level < _levelOf(self.namespace):
            return
        for name, value in fields.items():
            if type(value) not in _USUAL and not name.startswith(_OWN):
                fields[name] = plain(value)
        if "log_trace" in fields:
            super().emit(level, format, **fields)
            return
        # The rest is Twisted's own method without its look-up of the level among all
        # levels: each connection logs two events.
        fields["log_logger"] = self
        fields["log_level"] = level
        fields["log_namespace"] = self.namespace
        fields["log_source"] = self.source
        fields["log_format"] = format
        fields["log_time"] = time.time()
        self.observer(fields)
