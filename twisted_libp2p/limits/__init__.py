# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Limits on connections, streams, windows and descriptors, and their use.

L{limits} has the limits, L{scope} the counts of each of them, L{connectionscope} and
L{streamscope} the part of one connection or stream, L{limiter} the owner of all
scopes of a node.
"""

from twisted_libp2p.limits.limits import UNLIMITED, Limits, ScopeLimits
from twisted_libp2p.limits.subnets import SubnetLimit

__all__ = ["UNLIMITED", "Limits", "ScopeLimits", "SubnetLimit"]
