"""Tasks in containers: the commands for the engine, and the end of the containers."""
