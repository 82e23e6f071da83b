"""Watch topics without taking part: what the nodes consensus and diagnostics share."""
