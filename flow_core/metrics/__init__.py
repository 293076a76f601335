"""Measures how busy a machine is: the script that runs there and the parsers of its output."""
