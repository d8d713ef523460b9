# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The states of a worker, as its supervisor sees it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["LIFE", "Life"]


class Life(Enum):
    """
    The state of a worker.
    """

    #: It was started, and does not listen yet.
    STARTING = "starting"
    #: It accepts connections.
    SERVING = "serving"
    #: It has not answered for a while; another worker is started in its place.
    SILENT = "silent"
    #: It has got the order to end, or ends by itself, and finishes its streams.
    LEAVING = "leaving"
    #: It has got the signal that no process can ignore.
    KILLED = "killed"
    #: It has ended.
    GONE = "gone"


#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes nothing.
LIFE: dict[tuple[Life, str], tuple[Life, str | None]] = {
    (Life.STARTING, "ready"): (Life.SERVING, "ready"),
    (Life.STARTING, "late"): (Life.KILLED, "kill"),
    (Life.STARTING, "leave"): (Life.LEAVING, "order"),
    (Life.SERVING, "silent"): (Life.SILENT, "replace"),
    (Life.SERVING, "leave"): (Life.LEAVING, "order"),
    # Somebody else has sent it SIGTERM.
    (Life.SERVING, "ending"): (Life.LEAVING, "replace"),
    (Life.SILENT, "answered"): (Life.SERVING, None),
    # A process that is stopped or hangs obeys no order.
    (Life.SILENT, "leave"): (Life.KILLED, "kill"),
    (Life.LEAVING, "late"): (Life.KILLED, "kill"),
    (Life.STARTING, "ended"): (Life.GONE, "gone"),
    (Life.SERVING, "ended"): (Life.GONE, "gone"),
    (Life.SILENT, "ended"): (Life.GONE, "gone"),
    (Life.LEAVING, "ended"): (Life.GONE, "gone"),
    (Life.KILLED, "ended"): (Life.GONE, "gone"),
}
