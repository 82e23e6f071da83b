"""What can be checked before the first process of a run is started."""
