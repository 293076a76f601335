"""The filter language of the tables and of the command line."""
