"""Bids, reservations, and the instances that they are served with."""
