# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Time that all layers share: deadlines that may be believed, and allowances.
"""

from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.pacing.deadline import Deadline, addTimeout
from twisted_libp2p.pacing.deadlines import Deadlines

__all__ = ["Allowance", "Deadline", "Deadlines", "addTimeout"]
