"""Processes on this machine, the embedded default.

What stands here is common to all of it: the records on disk, submitting, the tasks as they are. Rooms of their own have
the supervisor of a task, the GPUs (capacity), containers, data from S3, ways into a task (inside) and its SSH server.
"""
