"""Reusable widgets that are independent of tasks: table, log view, terminal view."""
