"""The SSH server for tasks of this machine: one process of flow on loopback, started on demand."""
