"""The nodes: each only wires parameters, engine, topics and services."""
