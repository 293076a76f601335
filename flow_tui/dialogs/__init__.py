"""Dialogs: a framed question or a page to read, on top of the dashboard."""
