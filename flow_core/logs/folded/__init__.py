"""Views of a log in which some lines are folded, or written in another way."""
