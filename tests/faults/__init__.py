# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what is nobody's fault: connections that are cut, clocks that jump, disks
that are full, networks that lose what they carry.

What takes long is left out unless C{LIBP2P_FAULTS} is set, as C{make faults} does.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["THOROUGH"]

#: Whether to take the time that it takes.
THOROUGH: Final = bool(os.environ.get("LIBP2P_FAULTS"))
