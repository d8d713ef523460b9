# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two nodes in memory whose applications call anything from any callback, at random.

  - C{applications}: protocols, producers, factories and gaters that do anything;
  - C{witness}: a subscriber that checks the events of a node, and does anything;
  - C{world}: the nodes, the actions, and what has to hold in the end;
  - C{moods}: how often each action is chosen.

All choices come from one seed.  Each action draws from its own source of random
numbers, so that a failure can be made shorter: C{World(..., skip={3, 7})} leaves out
actions 3 and 7 and changes nothing about the others.
"""

from tests.unruly.applications import Raised
from tests.unruly.world import World

__all__ = ["Raised", "World"]
