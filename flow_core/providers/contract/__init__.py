"""What every provider does, the facets that it may have, and the checks that all of them share."""
