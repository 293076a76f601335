"""Being an SSH server: what those of ours have in common, whatever they lead to."""
