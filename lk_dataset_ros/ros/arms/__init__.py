"""Arms of an experiment as ROS processes: fed, heard, recorded, watched, each in its domain."""
