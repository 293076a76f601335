"""The submit form: the parts of a task, typed into fields or written in an editor."""
