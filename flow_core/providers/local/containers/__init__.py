"""Containers of tasks with an image, run by podman or docker."""
