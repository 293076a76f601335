"""The submit form: what a task is made of, typed into fields or written in an editor."""
