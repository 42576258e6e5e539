"""Projects that change between loads and during them."""
