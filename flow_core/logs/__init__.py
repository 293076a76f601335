"""The log engine: spool files, the lines in them, following and searching them, in bounded memory."""
