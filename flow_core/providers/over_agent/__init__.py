"""The code that all providers share whose tasks an agent keeps: requests for it, and its answers as models."""
