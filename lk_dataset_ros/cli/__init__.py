"""The `lk` command: one module per verb."""
