# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One meeting in a laboratory, as a program: C{python -m tests.lab.meet LISTENER DIALER
RELAY TRANSPORT ROUTER ROUTER}.

It ends with status 0 if the two peers have got a direct connection.
"""

from __future__ import annotations

import sys

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from tests.lab.meeting import Cast
from tests.lab.table import meet


async def run(arguments: list[str]) -> None:
    """
    Let two peers meet.

    @raise SystemExit: they do not.
    """
    listener, dialer, relay, transport, one, other = arguments
    outcome = await meet(Cast(listener, dialer, relay, transport), (one, other))
    print(outcome)
    if outcome.seconds is None:
        raise SystemExit(1)


if __name__ == "__main__":
    react(lambda _: ensureDeferred(run(sys.argv[1:])))
