"""Measures the load of a machine: the script that runs there and the parsers of its output."""
