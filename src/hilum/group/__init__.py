"""Step 4: released instances become groups, and groups close."""
