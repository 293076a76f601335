"""The agent: manages the tasks of one machine, from the GPU queue to the last log line.

It uses only the standard library of Python 3.8 and imports nothing from outside this folder. A copy of it, named by the
hash of its content, runs beside its records.
"""
