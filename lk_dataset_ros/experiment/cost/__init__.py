"""What arms cost, with confidence."""
