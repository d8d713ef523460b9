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
extensions = ["sphinx_copybutton"]
# The button copies the commands of a console block, not their output.
copybutton_prompt_text = r"\$ |> +"
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

html_theme = "furo"
# The default style of the theme underlines names, which hides their underscores.
pygments_dark_style = "github-dark"
html_title = f"twisted-libp2p {release}"
html_static_path = ["static"]
html_css_files = ["manual.css"]
html_copy_source = False
