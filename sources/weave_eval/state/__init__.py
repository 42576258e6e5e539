"""What one load leaves for the next: what to go on from, and what to read because of it. Pure functions of data."""
