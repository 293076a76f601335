"""Pruning: the selection of ended tasks of a context, their removal, and the records that remain of them."""
