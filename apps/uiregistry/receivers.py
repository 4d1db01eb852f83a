"""What the UI registry does when something happens in its own process."""
