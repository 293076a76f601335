"""What the cluster has: its nodes and partitions, what is free, and the limits of this user."""
