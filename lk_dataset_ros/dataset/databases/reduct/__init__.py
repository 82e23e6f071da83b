"""How a dataset is laid out on a ReductStore server, and the talk with it."""
