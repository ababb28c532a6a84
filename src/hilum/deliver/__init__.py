"""Step 8: due deliveries go to their destinations, one association per job and destination."""
