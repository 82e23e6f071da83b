"""What is in a dataset: files, rates, gaps, lost messages, ranges of fields."""
