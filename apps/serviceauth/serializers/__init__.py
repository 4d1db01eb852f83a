"""What the routes of service authentication take and answer."""
