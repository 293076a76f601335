"""The screens: the dashboard, and pages and recordings on top of it."""
