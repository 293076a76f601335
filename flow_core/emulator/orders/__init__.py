"""Bids, and the instances of bids and reservations."""
