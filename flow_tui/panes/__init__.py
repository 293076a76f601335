"""The panes of the dashboard, one folder each, and their registry."""
