"""Downloads of data from s3:// addresses: made before a task starts, removed when it has ended."""
