"""The import paths of the Flow SDK reference; nothing of its own."""
