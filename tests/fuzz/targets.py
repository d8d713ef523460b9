# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
All targets: to import this is to fill the table.
"""

from __future__ import annotations

from tests.fuzz import addresses, keys, messages, muxers, negotiation, securities
from tests.fuzz.target import TARGETS

__all__ = [
    "TARGETS",
    "addresses",
    "keys",
    "messages",
    "muxers",
    "negotiation",
    "securities",
]
