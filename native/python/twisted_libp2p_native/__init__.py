# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The native parts of twisted_libp2p: state machines without sockets, threads and timers.
"""

from twisted_libp2p_native._native import (
    Endpoint,
    PanicException,
    RtcConfig,
    RtcConnection,
    __version__,
)

__all__ = [
    "Endpoint",
    "PanicException",
    "RtcConfig",
    "RtcConnection",
    "__version__",
]
