"""What menus do when something happens in their own process."""
