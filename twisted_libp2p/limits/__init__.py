# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Limits on connections, streams, windows and descriptors, and what is in use of them.
"""

from twisted_libp2p.limits.limits import UNLIMITED, Limits, ScopeLimits
from twisted_libp2p.limits.subnets import SubnetLimit

__all__ = ["UNLIMITED", "Limits", "ScopeLimits", "SubnetLimit"]
