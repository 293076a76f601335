"""Several logs in one sequence, ordered by time."""
