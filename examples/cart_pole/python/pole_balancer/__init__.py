"""An example of a simulated world: keep a pole upright."""
