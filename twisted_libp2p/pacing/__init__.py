# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Time and plumbing that all layers share: deadlines that may be believed, allowances,
tables of states, and the base class of the layers.
"""

from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.pacing.deadline import Deadline, addTimeout
from twisted_libp2p.pacing.deadlines import Deadlines
from twisted_libp2p.pacing.layer import Layer
from twisted_libp2p.pacing.states import stateAfter

__all__ = ["Allowance", "Deadline", "Deadlines", "Layer", "addTimeout", "stateAfter"]
