# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the benchmarks: that they measure, not how fast anything is.
"""
