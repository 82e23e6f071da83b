"""Judge the pairs of one key, block by block."""
