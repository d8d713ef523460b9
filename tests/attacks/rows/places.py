# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses of the network of a row: those of a private network, and some in as many
networks that look public.
"""

from __future__ import annotations

__all__ = ["ADDRESSES", "ATTACKER", "HOST", "NEWCOMER", "PLACES", "PUBLIC"]

HOST, ATTACKER, NEWCOMER = "10.77.0.1", "10.77.0.2", "10.77.0.3"

#: The address of a node that is in the internet.
PUBLIC = "45.77.0.1"

#: Those of its peers.
PLACES = tuple(f"45.{number}.0.1" for number in range(80, 94))

#: All of them.
ADDRESSES = (HOST, ATTACKER, NEWCOMER, PUBLIC, *PLACES)
