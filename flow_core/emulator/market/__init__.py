"""The market: the instance types and capacity to rent, with their regions and prices."""
