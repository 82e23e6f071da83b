"""What the nodes of live and simulated experiments are made of."""
