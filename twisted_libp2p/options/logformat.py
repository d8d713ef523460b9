# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The format of the log of C{twist libp2p}: text for people, unless JSON is asked for.

Twisted itself writes JSON to everything but a terminal, so a log in a file or after a
pipe would be hard to read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from getopt import GetoptError, getopt
from typing import Any, Final, TextIO, cast

from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    PredicateResult,
    textFileLogObserver,
)
from twisted.python.usage import Options

__all__ = ["chooseFormat"]

#: The names of the two options of C{twist}, which C{twistd} has not.
_FORMAT: Final = "logFormat"
_OBSERVER: Final = "fileLogObserverFactory"

#: The lines about ports by which Twisted names classes; ours name addresses.
_PORTS: Final = re.compile(r"\S+ starting on |\(\S+ Port .*Closed\)$")

#: The beginning of the name of the logger that says that the reactor starts.
_RUNNER: Final = "twisted.application.runner."


def chooseFormat(parent: Options | None, argv: Sequence[str]) -> None:
    """
    Have C{twist} write its log as text, unless its user has asked for JSON.

    @param parent: the options of C{twist}; those of another program stay as they are.
    @param argv: the command line of the program.
    """
    if parent is None or _FORMAT not in parent:
        return
    if parent[_FORMAT] == "json" and _named(parent, argv):
        return
    parent[_FORMAT] = "text"
    parent[_OBSERVER] = _plainText


def _named(parent: Any, argv: Sequence[str]) -> bool:
    """
    Return whether a command line names the format; the options alone do not show
    whether it is a default.
    """
    try:
        given, _ = getopt(list(argv[1:]), parent.shortOpt, parent.longOpt)
    except GetoptError:
        # The options are not from this command line.
        return True
    return "--log-format" in dict(given)


def _plainText(file: TextIO) -> ILogObserver:
    """
    Make an observer that writes the lines that are of use to people.
    """
    useful = cast(ILogFilterPredicate, _useful)
    return FilteringLogObserver(textFileLogObserver(file), [useful])


def _useful(event: LogEvent) -> Any:
    """
    Leave out Twisted's own lines about ports and the start of the reactor.
    """
    own = event.get("log_namespace", "").startswith(_RUNNER) or _PORTS.match(
        event.get("log_text", "")
    )
    return PredicateResult.no if own else PredicateResult.maybe
