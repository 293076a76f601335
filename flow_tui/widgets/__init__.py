"""Reusable parts that know nothing of tasks: table, log view, terminal view."""
