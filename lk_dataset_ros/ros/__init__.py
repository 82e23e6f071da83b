"""Everything that talks to ROS 2: the only room that imports rclpy."""
