"""Step 3: an instance becomes a file in the spool, and rows at release."""
