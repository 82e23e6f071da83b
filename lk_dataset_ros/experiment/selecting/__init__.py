"""Which arm is kept, and how it is started."""
