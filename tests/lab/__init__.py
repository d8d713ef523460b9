# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The laboratory: a small internet inside one process.

Its sites and routers are network namespaces, its wire is a program with delay, jitter
and loss, its address translation is that of the kernel.  The addresses look public, so
no filter of any implementation has to be switched off; nothing leaves the process.

It needs no root: L{LabTestCase<tests.lab.case.LabTestCase>} runs each test in a process
and in namespaces of its own.
"""
