# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How Sphinx builds the manual; C{make docs} adds the API reference of pydoctor.
"""

from __future__ import annotations

import re
from pathlib import Path

_package = Path(__file__).parents[1] / "twisted_libp2p" / "__init__.py"
_version = re.search(r'__version__ = "(.+)"', _package.read_text())
assert _version is not None

project = "twisted-libp2p"
author = "the twisted_libp2p authors"
copyright = f"2026, {author}"
release = version = _version[1]

exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_theme_options = {
    "description": "libp2p for Twisted",
    "fixed_sidebar": True,
    "page_width": "64rem",
}
html_copy_source = False
