"""What runs inside a machine: its first process. Standard library only, all of it loaded before the root changes."""
