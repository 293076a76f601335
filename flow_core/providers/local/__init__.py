"""Processes on this machine, the embedded default: no daemon, one small supervisor a task."""
