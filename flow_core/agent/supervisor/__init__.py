"""The supervisor: the small process that runs one task, phase by phase. Standard library only.

A module that few tasks need is loaded only by their phase.
"""
