"""Step 5: a closed group becomes one job per workflow, each with a payload folder."""
