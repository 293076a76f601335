"""The program of a machine's first process. Standard library only; all of it is loaded before the root changes."""
