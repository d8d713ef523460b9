# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is nobody's fault: connections that are cut, clocks that jump, disks
that are full, networks that lose what they carry.

What takes long is left out unless C{LIBP2P_FAULTS} is set, as C{make faults} does.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["LEASE", "PATIENCE", "THOROUGH"]

#: Whether to take the time that it takes.
THOROUGH: Final = bool(os.environ.get("LIBP2P_FAULTS"))

#: Seconds until something has to be true after a fault.  A busy machine takes longer
#: than the manual promises: C{LIBP2P_PATIENCE=10} is for one that does nothing else.
PATIENCE: Final = float(os.environ.get("LIBP2P_PATIENCE", "60"))

#: Seconds until the peers of a node that has ended are forgotten, in these tests.
LEASE: Final = 2.0
