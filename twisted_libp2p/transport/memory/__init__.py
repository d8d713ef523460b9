# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A transport inside one process, for tests: no socket and no port.
"""

from __future__ import annotations

from twisted_libp2p.transport.memory.addresses import MemoryAddress, MemoryAddressing
from twisted_libp2p.transport.memory.end import HIGH_WATER, MemoryEnd
from twisted_libp2p.transport.memory.link import Link
from twisted_libp2p.transport.memory.numbers import MemoryNumbers, MemoryPort
from twisted_libp2p.transport.memory.transport import MemoryNetwork, MemoryTransport

__all__ = [
    "HIGH_WATER",
    "Link",
    "MemoryAddress",
    "MemoryAddressing",
    "MemoryEnd",
    "MemoryNetwork",
    "MemoryNumbers",
    "MemoryPort",
    "MemoryTransport",
]
