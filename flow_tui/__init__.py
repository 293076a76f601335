"""A keyboard-driven dashboard for GPU tasks, wherever they run."""
