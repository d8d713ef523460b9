# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Time that all layers share: when a deadline may be believed.
"""

from twisted_libp2p.pacing.deadline import Deadline, addTimeout

__all__ = ["Deadline", "addTimeout"]
