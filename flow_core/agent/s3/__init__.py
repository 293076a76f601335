"""Downloads of data from s3:// addresses: created before a task starts, removed when it has ended."""
