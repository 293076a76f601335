"""Reservations: capacity for a time, paid in advance."""
