"""The startup script of a node: runs the task's command, logs it, and stores its exit status."""
