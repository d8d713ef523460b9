# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a machine may lack: the tests that need it are skipped, unless C{LIBP2P_REQUIRE}
names it.
"""

from __future__ import annotations

import os
from typing import NoReturn
from unittest import SkipTest

__all__ = ["isRequired", "skipWithout"]


def isRequired(name: str) -> bool:
    """
    Check whether C{LIBP2P_REQUIRE} names something.
    """
    return name in os.environ.get("LIBP2P_REQUIRE", "").split(",")


def skipWithout(name: str, reason: str) -> NoReturn:
    """
    Skip a test that needs something which is missing.

    @param name: its name.
    @param reason: what is missing, and what brings it.
    @raise SkipTest: it is not required.
    @raise AssertionError: it is.
    """
    if isRequired(name):
        raise AssertionError(reason)
    raise SkipTest(reason)
