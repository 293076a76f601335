"""Tasks with an image: podman or docker, from choosing one to a container's end."""
