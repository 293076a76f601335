"""Pruning: which ended tasks of a context may go, their removal, and what stays known of them."""
