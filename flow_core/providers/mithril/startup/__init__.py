"""What a node runs when it first boots: the task's command, kept, logged, and its end written down."""
