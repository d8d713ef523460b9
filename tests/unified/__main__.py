# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{python -m tests.unified transport}, C{perf} and C{hole-punch}: what the public
suite starts.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from tests.unified.application import Application
from tests.unified.perf import PerfApplication
from tests.unified.punch import PunchApplication
from tests.unified.redis import RedisError
from tests.unified.transport import TransportApplication
from twisted_libp2p.__main__ import interruptible
from twisted_libp2p.errors import Libp2pError

APPLICATIONS: dict[str, type[Application]] = {
    "transport": TransportApplication,
    "perf": PerfApplication,
}

#: The applications, and those that have no image.
PROGRAMS: dict[str, type[Application] | type[PunchApplication]] = {
    **APPLICATIONS,
    "hole-punch": PunchApplication,
}


def log(level: LogLevel) -> None:
    """
    Log to stderr: stdout is for results.
    """
    observer = FilteringLogObserver(
        textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(level)]
    )
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


async def run(reactor: Any, name: str) -> None:
    """
    Run an application.

    @raise SystemExit: it could not do what it is for.
    """
    try:
        application = PROGRAMS[name](reactor, os.environ)
        log(LogLevel.debug if application.environment.debug else LogLevel.warn)
        for line in await application.run():
            print(line, flush=True)
    except (
        ConnectError,
        ConnectionClosed,
        DNSLookupError,
        Libp2pError,
        RedisError,
    ) as error:
        raise SystemExit(f"unified: {error}") from None
    except CancelledError:
        # It is how the suite ends a listener.
        pass


def main(arguments: list[str]) -> None:
    """
    Run the application that the command line names.

    @raise SystemExit: always: 0 if it did its work, 1 with one line on stderr
        if it could not.
    """
    if len(arguments) != 1 or arguments[0] not in PROGRAMS:
        raise SystemExit(f"unified: which application? {', '.join(PROGRAMS)}")
    react(lambda reactor: interruptible(reactor, run(reactor, arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
