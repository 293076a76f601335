"""Processes of this machine: the table of all, the tree of one, and how a tree is ended."""
