"""The lines of a log that pass filters, and its errors."""
