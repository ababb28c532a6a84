"""What Hilum says of itself while it runs."""
