# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How often each action is chosen.
"""

from __future__ import annotations

__all__ = ["GENTLE", "WILD"]

#: Actions on a stream, and on connections and nodes: those of which each stream lives
#: long enough to carry something, and all.
GENTLE = (
    (
        *("write",) * 10,
        *("writeSequence",) * 2,
        "loseConnection",
        *("loseWriteConnection",) * 2,
        *("pause",) * 3,
        *("resume",) * 3,
        *("register",) * 4,
        *("unregister",) * 2,
        *("replace",) * 2,
        "openStream",
    ),
    (
        *("openStream",) * 4,
        "pingConnection",
        "whenClosed",
        "connect",
        "pingNode",
        "cancel",
        "serve",
    ),
)
WILD = (
    (
        *("write",) * 8,
        *("writeSequence",) * 2,
        *("loseConnection",) * 2,
        *("loseWriteConnection",) * 3,
        "abort",
        *("pause",) * 3,
        *("resume",) * 3,
        *("register",) * 4,
        *("unregister",) * 2,
        *("replace",) * 2,
        "raise",
        *("openStream",) * 2,
    ),
    (
        *("openStream",) * 10,
        "closeConnection",
        "abortConnection",
        "pingConnection",
        "whenClosed",
        *("connect",) * 3,
        "dialAnew",
        "pingNode",
        "identify",
        *("cancel",) * 2,
        *("serve",) * 2,
        "protect",
        "trim",
        "stop",
        "restart",
        "raise",
    ),
)
