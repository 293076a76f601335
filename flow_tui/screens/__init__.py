"""Full screens: the dashboard, and what is read or played on top of it."""
