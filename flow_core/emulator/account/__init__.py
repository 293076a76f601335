"""Who may do what: people, projects, keys, quotas."""
