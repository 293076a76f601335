"""The GPUs of this machine: leases, the queue and reservations, all on disk."""
