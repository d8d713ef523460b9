# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for twisted_libp2p.
"""

import gc
import sys

# In a process that has loaded many tests, a collection of all objects takes 0.1 s, and
# these were a fifth of the CPU time of the suite.  Programs that tests start do not
# import trial first, and keep Python's thresholds: the memory of some is measured.
if "twisted.trial.runner" in sys.modules:
    gc.set_threshold(*gc.get_threshold()[:2], 200)
