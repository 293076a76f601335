"""What the text of a log says: levels, times, folds, fields, the first cause of a failure, differences of two runs."""
