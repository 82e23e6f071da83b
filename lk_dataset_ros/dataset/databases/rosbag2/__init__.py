"""Bags of rosbag2: MCAP or sqlite3, split, compressed, with or without metadata."""
