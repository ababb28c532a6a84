"""Step 2: one peer's association over a blocking socket, as acceptor and as requestor."""
