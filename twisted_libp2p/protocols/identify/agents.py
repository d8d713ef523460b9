# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The implementation of a peer, as its agent names it.
"""

from __future__ import annotations

import re

__all__ = ["mayBeJs"]

#: js-libp2p (3.3.11) states C{js-libp2p/3.3.11 node/22.12.0}.  An application may put
#: its own name in front, and the platform stays.
_JS = re.compile(r"js-libp2p|(?:^| )(?:node|deno|bun|electron|browser|react-native)/")


def mayBeJs(agent: str) -> bool:
    """
    Decide whether a peer may be js-libp2p.

    @param agent: the agent of the peer; empty if it has stated none.
    """
    return not agent or _JS.search(agent) is not None
