"""What there is to be had, where, and at what price."""
