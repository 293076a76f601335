"""The GPUs of this machine, and the reservations of them."""
