"""Ways into a running task: terminals, commands, files, ports."""
