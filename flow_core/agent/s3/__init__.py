"""Data from s3:// addresses: fetched before a task's turn comes, and taken away when it has ended."""
