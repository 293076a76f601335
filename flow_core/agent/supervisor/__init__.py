"""The supervisor: the small process that runs one task, phase by phase.

A module that few tasks need is loaded only by their phase.
"""
