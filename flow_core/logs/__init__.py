"""The log engine: follows, reads by line and searches spool files in bounded memory."""
