"""Original and compiled on a live graph: compared, kept for reports, handed on."""
