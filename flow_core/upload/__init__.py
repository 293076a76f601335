"""Code on its way to a task: which files, what of them changed, how far it is."""
