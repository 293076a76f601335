"""The interface that every provider implements, the optional facets, and the checks that all providers share."""
