# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of the command lines.
"""

from twisted_libp2p.options.command import CommandOptions, whole
from twisted_libp2p.options.node import NodeOptions
from twisted_libp2p.options.tools import ToolOptions

__all__ = ["CommandOptions", "NodeOptions", "ToolOptions", "whole"]
