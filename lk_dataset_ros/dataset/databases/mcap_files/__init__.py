"""MCAP files: read in whatever state they are, written fast."""
