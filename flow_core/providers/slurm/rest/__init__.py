"""Control of a Slurm cluster through slurmrestd, where SSH is not available."""
