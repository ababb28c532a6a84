"""Step 7: what a finished job wrote becomes results, and their deliveries fall due."""
