"""The market: what can be rented, where, and at what price."""
