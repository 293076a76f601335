"""The queue of a Slurm cluster: what squeue, sacct and scontrol print, as jobs, and one poller for all of them."""
