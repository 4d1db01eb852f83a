"""Orders at the product service's prices: how one service finds and calls another."""
