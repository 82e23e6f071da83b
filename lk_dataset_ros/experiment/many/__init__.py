"""An experiment on many bags at once."""
