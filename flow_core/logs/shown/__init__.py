"""A log as a terminal shows it: from bytes to lines of text with colours."""
