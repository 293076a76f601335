"""Tasks in containers: what an engine is told, and how it all ends. Standard library only."""
