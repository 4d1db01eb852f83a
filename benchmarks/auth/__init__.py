"""What service authentication costs, beside the same without it."""
