# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The attacks: a table, and a function for each of its rows.  They are grouped by what
they attack; the numbers are those of the table in docs/security.rst.
"""
