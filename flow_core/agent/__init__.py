"""The agent: everything that manages tasks on one machine, from the queue for GPUs to the last line of the log.

Complete in itself: the standard library of Python 3.8 alone, and nothing from outside this folder. A copy of it, named
by the hash of its content, runs beside the records that it keeps.
"""
