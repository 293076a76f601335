"""How busy a machine is: what is run there to find out, and how its answers are read."""
