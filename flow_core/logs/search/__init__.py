"""Searches the text of logs as it is shown, in child processes that can be killed."""
