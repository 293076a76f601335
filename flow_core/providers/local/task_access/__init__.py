"""Access to a running task: terminals, commands, files, ports."""
