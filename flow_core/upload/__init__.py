"""Uploads code to a task: finds the files, compares them with the last upload, sends the changed ones."""
