"""Submits tasks to a Slurm cluster: the request, the script, and the steps on the login node."""
