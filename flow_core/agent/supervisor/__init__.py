"""The small process that keeps one task, phase by phase. Standard library only, but for what a phase loads itself."""
