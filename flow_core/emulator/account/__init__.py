"""The account: users, projects, keys, quotas."""
