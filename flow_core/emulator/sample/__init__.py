"""A project in which something is going on: for demonstrations, and to look around in."""
