"""Where something is, what happened to it, why, and what to do: from the ledger and the configuration, in words."""
