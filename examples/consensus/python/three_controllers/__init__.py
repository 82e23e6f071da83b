"""One speed controller, written three times."""
