"""The panes of the dashboard, one file each."""
